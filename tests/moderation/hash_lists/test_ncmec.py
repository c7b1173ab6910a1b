"""NCMEC hash sharing v2 XML: entries, entries taken back, pages, and hostile XML."""

import time

import pytest

from moderation.hash_lists.known import ListUnreadable

from .files import (
    hexed,
    items,
    known,
    more_pages,
    ncmec,
    ncmec_deleted,
    ncmec_entry,
    reasons,
    value,
)

STAMP = 1767322800  # 2026-01-02T03:00:00Z


def test_an_entry_with_two_fingerprints():
    prints = f"<md5>{hexed('md5', 1)}</md5><pdq>{hexed('pdq', 1)}</pdq>"
    found = known(items(ncmec(ncmec_entry(1, member=7, fingerprints=prints)), "ncmec"))
    assert found == [
        ("md5", value("md5", 1), "ncmec", "A2", "7/e1", False, "image", STAMP),
        ("pdq", value("pdq", 1), "ncmec", "A2", "7/e1", False, "image", STAMP),
    ]


@pytest.mark.parametrize("tag", ["deletedImage", "deletedVideo", "deletedOther"])
def test_entries_taken_back_come_by_reference(tag):
    (item,) = known(items(ncmec(ncmec_deleted(3, tag=tag)), "ncmec"))
    assert (item.algorithm, item.value, item.external_id, item.deleted) == ("", b"", "1/e3", True)
    assert item.stamp == STAMP + 60


def test_every_fingerprint_of_the_format_is_taken():
    tags = ("md5", "sha1", "pdna", "pdq", "netclean", "videntifier", "tmk_pdqf", "ssvh_pdna")
    widths = {"md5": "md5", "sha1": "sha1", "pdna": "photodna", "pdq": "pdq"}
    prints = "".join(f"<{t}>{hexed(widths[t], 1) if t in widths else 'text'}</{t}>" for t in tags)
    prints += "<later>1</later>"
    found = items(ncmec(ncmec_entry(1, fingerprints=prints)), "ncmec")
    assert [item.algorithm for item in known(found)] == [widths.get(t, t) for t in tags]
    assert reasons(found) == [("unknown_algorithm", 1)]


def test_videos_and_pages():
    text = ncmec(ncmec_entry(1, tag="video"), next_page="/v2/entries?start=1001")
    assert [item.media for item in known(items(text, "ncmec"))] == ["video"]
    assert more_pages(items(text, "ncmec"))
    assert not more_pages(items(ncmec(ncmec_entry(1)), "ncmec"))


def test_rejected_entries():
    found = items(
        ncmec(
            ncmec_entry(1, fingerprints=f"<pdq quality='20'>{hexed('pdq', 1)}</pdq>"),
            ncmec_entry(2, fingerprints="<md5>d41d8cd98f00b204e9800998ecf8427e</md5>"),
            ncmec_entry(3).replace("<id>e3</id>", ""),
            ncmec_entry(4).replace("fingerprints", "prints"),
            ncmec_entry(5, fingerprints="<md5/>"),
        ),
        "ncmec",
    )
    assert known(found) == []
    assert reasons(found) == [
        ("low_quality", 1),
        ("empty_input_digest", 2),
        ("no_reference", 3),
        ("no_value", 4),
        ("empty", 5),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(encoding):
    assert len(known(items(ncmec(ncmec_entry(1)).encode(encoding), "ncmec"))) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html><body>Log in</body></html>", "does not start with queryResult"),
        (ncmec(ncmec_entry(1))[:-10], "cut off"),
        ("{}", "no XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><queryResult>&b;</queryResult>', "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/hostname"><queryResult/>', "document type"),
        ('<?xml version="1.0" encoding="nonsense"?><queryResult/>', "encoding|no XML"),
        ("<queryResult>" + "<a>" * 100_000, "beyond reason"),
        (ncmec(ncmec_entry(1, fingerprints="<a/>" * 20_000)), "beyond reason"),
        (
            ncmec(ncmec_entry(1, fingerprints=f"<md5>{'a' * 500_000}</md5>")),
            "more than 131072 characters",
        ),
    ],
)
def test_unreadable_files(text, message):
    with pytest.raises(ListUnreadable, match=message):
        items(text, "ncmec")


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("length", [2 << 20, 20 << 20])
@pytest.mark.parametrize(("start", "end"), [("<!--", "-->"), ("<a b='", "'/>"), ("<?a ", "?>")])
def test_a_long_stretch_without_elements_is_refused_at_once(before, length, start, end):
    stretch = start + "x" * length + end
    text = ncmec(ncmec_entry(1))
    at = text.index("<images") if before else text.rindex("</")
    began = time.process_time()
    with pytest.raises(ListUnreadable, match="no element"):
        items(text[:at] + stretch + text[at:], "ncmec")
    assert time.process_time() - began < 1.5


def test_short_comments_do_no_harm():
    entries = [f"<!--{'x' * 100_000}-->{ncmec_entry(n)}" for n in range(30)]
    assert len(known(items(ncmec(*entries), "ncmec"))) == 30
