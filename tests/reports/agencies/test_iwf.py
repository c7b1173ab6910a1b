"""The IWF's rows at minimum, usual and maximum data: every field, and what is left out and why."""

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from moderation.evidence import sealing, store
from moderation.models import (
    Case,
    Entry,
    HashList,
    KnownHash,
    Match,
    Preview,
    Reveal,
    SealedObject,
)
from reports import drafting
from reports.agencies import facts as gathered
from reports.agencies import registry, summaries
from reports.agencies.base import UnknownAgency, good_url
from reports.models import Report
from tests.known import known_row
from tests.moderation.review.making import add_entry, make_case, settled
from tests.reports.making import REMOVE, confirmed_case, draft_of, filed

pytestmark = pytest.mark.django_db
IWF = registry.AGENCIES["iwf"]
FIELDS = [
    "report_id",
    "url",
    "page_url",
    "first_seen",
    "last_reachable",
    "media_type",
    "ai_indication",
    "match_basis",
    "hashes",
    "reviewer_grade",
    "hosting_country",
    "dataset",
    "revision",
    "row_key",
    "other_reports",
    "reporter_contact",
]
GIVEN = "A1 (iwf) as given by the list owner"
SEEN = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def rows_of(report: Report) -> list[dict[str, Any]]:
    return list(IWF.payload(Report.objects.get(pk=report.pk)).rows)


def seen_at(entry: Entry, at: datetime = SEEN) -> None:
    type(entry.flag).objects.filter(pk=entry.flag.pk).update(raised_at=at)
    Match.objects.filter(flag=entry.flag).update(found_at=at)


def test_minimum(case: Case) -> None:
    """A link to a digest that came with the dataset: nothing was fetched, nobody looked."""
    report = draft_of(case)
    entry = case.flags.get().entry
    seen_at(entry)
    with override_settings(REPORTER_CONTACT=""):
        (row,) = rows_of(report)
    assert list(row) == FIELDS
    assert row == {
        "report_id": report.pk,
        "url": "https://pictures.example/a/b.jpg?x=1",
        "page_url": "",
        "first_seen": "2026-01-02T03:04:05Z",
        "last_reachable": "",
        "media_type": "unknown",
        "ai_indication": {"value": "unknown", "signals": []},
        "match_basis": [
            {
                "list": "harbour-trusted",
                "version": "2026-01",
                "algorithm": "md5",
                "distance": 0,
                "category": GIVEN,
            }
        ],
        "hashes": [f"md5:{bytes(entry.md5).hex()}"],
        "reviewer_grade": "",
        "hosting_country": "",
        "dataset": "laguna",
        "revision": "r1",
        "row_key": f"{entry.shard.name}#0",
        "other_reports": [],
        "reporter_contact": "",
    }


def test_usual(reviewer: User, second_reviewer: User, reporter: User) -> None:
    """Fetched, near, one preview opened, a grade and a country given by the composer."""
    case = make_case(entries=0)
    entry = add_entry(
        case, algorithm="pdq", distance=12, row_key="0000017", fetched_at=SEEN, pdq=bytes(range(32))
    )
    keep_preview(entry)
    settled(case, reviewer, REMOVE)
    settled(case, second_reviewer, REMOVE)
    seen_at(entry)
    HashList.objects.update(owner="Demo body")
    KnownHash.objects.update(media="Image")
    report = draft_of(case)
    drafting.edit(report, by=reporter, note="", grade="C", countries={report.items.get().pk: "nl"})
    with override_settings(REPORTER_CONTACT="desk@example.invalid"):
        (row,) = rows_of(report)
    assert row == {
        "report_id": report.pk,
        "url": "https://pictures.example/a/b.jpg?x=1",
        "page_url": "",
        "first_seen": "2026-01-02T03:04:05Z",
        "last_reachable": "2026-01-02T03:04:05Z",
        "media_type": "unknown",
        "ai_indication": {"value": "none", "signals": []},
        "match_basis": [
            {
                "list": "Demo body",
                "version": "2026-01",
                "algorithm": "pdq",
                "distance": 12,
                "category": GIVEN,
            }
        ],
        "hashes": [f"md5:{bytes(entry.md5).hex()}", f"pdq:{bytes(range(32)).hex()}"],
        "reviewer_grade": "C",
        "hosting_country": "NL",
        "dataset": "laguna",
        "revision": "r1",
        "row_key": "0000017",
        "other_reports": [],
        "reporter_contact": "desk@example.invalid",
    }


@pytest.mark.parametrize(
    ("media", "algorithm", "told"),
    [
        ("photograph", "md5", "photograph"),
        ("video", "md5", "video"),
        ("image", "md5", "unknown"),  # a MIME type: drawings have it too
        ("other", "md5", "unknown"),
        ("", "md5", "unknown"),
        ("photograph", "pdq", "unknown"),  # said of another file
        ("video", "pdq", "unknown"),
    ],
)
def test_the_kind_of_media_is_the_lists_own_word_for_this_very_file_or_unknown(
    media: str, algorithm: str, told: str, reviewer: User, second_reviewer: User
) -> None:
    case = make_case(entries=0)
    add_entry(case, algorithm=algorithm, pdq=bytes(range(32)))
    settled(case, reviewer, REMOVE)
    settled(case, second_reviewer, REMOVE)
    KnownHash.objects.update(media=media)
    (row,) = rows_of(draft_of(case))
    assert row["media_type"] == told


def test_maximum(
    reviewer: User, second_reviewer: User, reporter: User, second_reporter: User
) -> None:
    """Longest link, every hash, two lists, signals, an earlier report about the same link."""
    url = "https://pictures.example/" + "x" * (2083 - len("https://pictures.example/"))
    page_url = "https://pictures.example/gallery?é=1"
    earlier = make_case(entries=0)
    add_entry(earlier, url=url)
    settled(earlier, reviewer, REMOVE)
    settled(earlier, second_reviewer, REMOVE)
    filed(earlier, by=second_reporter, composer=reporter, reference="IWF-2026-1")

    case = make_case(entries=0, harm_class="non_photographic")
    digests = {"sha1": bytes(20), "sha256": bytes(range(32)), "pdq": bytes(range(32))}
    entry = add_entry(
        case,
        url=url,
        row_key="k" * 200,
        fetched_at=SEEN,
        phash=bytes(range(8)),
        provenance=[
            {"name": "png_parameters", "strength": "medium"},
            {"name": "camera_exif", "strength": "contrary"},
        ],
        **digests,
    )
    Entry.objects.filter(pk=entry.pk).update(
        sealed=sealing.seal_text({"url": url, "caption": "a boat", "page_url": page_url})
    )
    second = add_match(entry, slug="lagoon", algorithm="pdq", distance=31)
    keep_preview(entry)
    settled(case, reviewer, REMOVE)
    settled(case, second_reviewer, REMOVE)
    seen_at(entry)
    report = draft_of(case)
    drafting.edit(report, by=reporter, note="n", grade="A", countries={report.items.get().pk: "GB"})
    payload = IWF.payload(Report.objects.get(pk=report.pk))
    (row,) = payload.rows
    assert row["url"] == url
    assert len(row["url"]) == 2083
    assert row["page_url"] == page_url
    assert row["media_type"] == "non_photographic"
    assert row["ai_indication"] == {
        "value": "indicated",
        "signals": ["png_parameters (medium)", "camera_exif (contrary)"],
    }
    assert row["match_basis"] == [
        {
            "list": "harbour-trusted",
            "version": "2026-01",
            "algorithm": "md5",
            "distance": 0,
            "category": GIVEN,
        },
        {
            "list": "lagoon",
            "version": "2026-01",
            "algorithm": "pdq",
            "distance": 31,
            "category": "",
        },
    ]
    assert second.distance == 31
    assert row["hashes"] == [
        f"md5:{bytes(entry.md5).hex()}",
        f"sha1:{bytes(20).hex()}",
        f"sha256:{bytes(range(32)).hex()}",
        f"pdq:{bytes(range(32)).hex()}",
        f"phash:{bytes(range(8)).hex()}",
    ]
    assert row["reviewer_grade"] == "A"
    assert row["hosting_country"] == "GB"
    assert row["row_key"] == "k" * 200
    today = timezone.now().astimezone(UTC).date()
    assert row["other_reports"] == [
        {"organisation": "iwf", "reference": "IWF-2026-1", "date": f"{today}"}
    ]
    assert payload.skipped == ()
    assert payload.notes == ("1 of the links were reported to the IWF before: see Also told.",)


def test_the_file_is_utf8_json_and_the_same_for_the_same_rows(case: Case) -> None:
    row = rows_of(draft_of(case))[0] | {"dataset": "Küste"}
    data = IWF.encode([row], environment="test")
    assert json.loads(data.decode()) == {"agency": "iwf", "environment": "test", "rows": [row]}
    assert "Küste".encode() in data
    assert IWF.encode([row], environment="test") == data
    assert IWF.decode(data) == [row]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "no link"),
        ("https://a.example/" + "x" * 2066, "longer than 2,083"),
        ("ftp://a.example/b.jpg", "not an http"),
        ("//a.example/b.jpg", "not an http"),
        ("javascript:alert(1)", "not an http"),
        ("https://a.example/b c.jpg", "not an http"),
        ("https://a.example/b\n.jpg", "not an http"),
        ("https://a.example/\ud800", "not an http"),
        ("https:///b.jpg", "not an http"),
    ],
)
def test_links_that_cannot_be_reported(url: str, why: str) -> None:
    assert why in good_url(url)


@pytest.mark.parametrize("url", ["http://a.example", "HTTPS://a.example/ü.jpg?=1#x"])
def test_links_that_can(url: str) -> None:
    assert good_url(url) == ""


def test_required_fields_are_those_of_the_reference() -> None:
    optional = {"page_url", "last_reachable", "reviewer_grade", "hosting_country"}
    assert set(IWF.required) == set(FIELDS) - optional - {"reporter_contact"}
    assert list(IWF.columns) == FIELDS


@pytest.mark.parametrize("name", ["first_seen", "media_type", "match_basis", "hashes", "dataset"])
def test_a_missing_required_field_is_named(case: Case, name: str) -> None:
    (row,) = rows_of(draft_of(case))
    problems = IWF.problems(row | {name: type(row[name])()})
    assert f"{name} is missing" in problems


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"first_seen": "2026-01-02 03:04:05"}, "first_seen is not a time"),
        ({"first_seen": "2026-01-02T03:04:05+00:00"}, "first_seen is not a time"),
        ({"last_reachable": "yesterday"}, "last_reachable is not a time"),
        ({"media_type": "audio"}, "kind of media"),
        ({"ai_indication": {"value": "yes", "signals": []}}, "indication of AI"),
        ({"reviewer_grade": "D"}, "grade"),
        ({"page_url": "file:///a"}, "the page's link"),
    ],
)
def test_a_wrong_field_is_named(case: Case, change: dict, why: str) -> None:
    (row,) = rows_of(draft_of(case))
    assert IWF.problems(row) == []
    (problem,) = IWF.problems(row | change)
    assert why in problem


def test_a_field_too_many_is_refused(case: Case) -> None:
    (row,) = rows_of(draft_of(case))
    assert IWF.problems(row | {"caption": "a boat"}) == ["its fields are not those of the IWF"]


def test_a_match_of_the_link_alone_gives_the_digest_of_the_link(
    reviewer: User, second_reviewer: User
) -> None:
    case = make_case()
    Entry.objects.update(md5=None)
    settled(case, reviewer, REMOVE)
    settled(case, second_reviewer, REMOVE)
    (row,) = rows_of(draft_of(case))
    digest = hashlib.sha256(row["url"].encode()).hexdigest()
    assert row["hashes"] == [f"url_sha256:{digest}"]


def test_a_copy_that_was_encoded_anew_says_nothing_about_its_origin(
    reviewer: User, second_reviewer: User
) -> None:
    case = confirmed_case(reviewer, second_reviewer)
    entry = case.flags.get().entry
    keep_preview(entry)
    assert rows_of(draft_of(case))[0]["ai_indication"]["value"] == "none"
    type(entry.shard).objects.update(form="img2dataset_files")
    assert rows_of(draft_of(case))[0]["ai_indication"]["value"] == "unknown"


def test_entries_that_cannot_be_sent_are_left_out_with_the_reason(
    reviewer: User, second_reviewer: User
) -> None:
    case = make_case(entries=1)
    embedded = add_entry(case, url="")
    unreadable = add_entry(case)
    Entry.objects.filter(pk=unreadable.pk).update(sealed=b"x" * 40)
    settled(case, reviewer, REMOVE)
    settled(case, second_reviewer, REMOVE)
    payload = IWF.payload(draft_of(case))
    assert len(payload.rows) == 1
    assert [(each.entry, each.reasons) for each in payload.skipped] == [
        (embedded.pk, ("no link",)),
        (unreadable.pk, ("its sealed link cannot be opened: check EVIDENCE_KEY",)),
    ]
    assert str(payload.coverage) == (
        "1 of 3 entries; 1 left out: no link; 1 left out: its sealed link cannot be opened: "
        "check EVIDENCE_KEY."
    )


def test_matches_that_tell_the_same_are_told_once(case: Case) -> None:
    entry = case.flags.get().entry
    first = entry.flag.matches.get()
    for algorithm in ("sha1", "sha256"):
        value = bytes(20 if algorithm == "sha1" else 32)
        known = known_row(first.version, algorithm, value, scheme="iwf", category="A1")
        Match.objects.create(
            flag=entry.flag,
            known_hash=known,
            version=first.version,
            scan=first.scan,
            last_scan=first.scan,
            algorithm=algorithm,
            algorithm_version="1",
            distance=0,
            threshold=0,
            variant="plain",
            origin=Match.Origin.COLUMN,
        )
    add_match(entry, slug="lagoon", algorithm="pdq", distance=31)
    report = draft_of(case)
    (fact,) = gathered.facts(list(gathered.items_of(report)), report=report)
    assert [algorithms for _, algorithms in fact.told_matches] == [
        ["md5", "sha1", "sha256"],
        ["pdq"],
    ]
    (row,) = rows_of(report)
    assert len(row["match_basis"]) == 4  # the file tells each


def test_notes_for_the_person_who_sends(reviewer: User, second_reviewer: User) -> None:
    case = confirmed_case(reviewer, second_reviewer, harm_class="non_photographic")
    known = KnownHash.objects.get()
    version = known.hash_list.versions.create(number=2, label="2", format="plain", checksum="1")
    known.removed_in = version
    known.save()
    withdrawn, remit = IWF.payload(draft_of(case)).notes
    assert "1 of the entries match only values that their list has withdrawn" in withdrawn
    assert "only if it is hosted in the UK: 1 without a hosting country" in remit


def test_viewed_by_us_is_counted_from_opened_previews_alone(case: Case, reviewer: User) -> None:
    report = draft_of(case)
    entry = case.flags.get().entry
    looks = [(1, False, None), (1, False, SEEN), (2, True, SEEN), (3, False, SEEN)]
    for level, drawing, opened in looks:
        Reveal.objects.create(
            case=case,
            entry=entry,
            reviewer=reviewer,
            level=level,
            drawing=drawing,
            ticket_digest=hashlib.sha256(f"{level}{opened}".encode()).digest(),
            opened_at=opened,
        )
    (fact,) = gathered.facts(list(gathered.items_of(report)), report=report)
    assert [(look.level, look.drawing, look.at) for look in fact.looks] == looks[1:]


def test_many_entries_are_gathered_in_parts(
    reviewer: User, second_reviewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered, "AT_ONCE", 2)
    case = confirmed_case(reviewer, second_reviewer, entries=5)
    rows = rows_of(draft_of(case))
    assert [row["row_key"][-2:] for row in rows] == ["#0", "#1", "#2", "#3", "#4"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://img.pictures.example/a/b.jpg?x=1", "https://….pictures.example/…"),
        ("https://pictures.example/a", "https://pictures.example/…"),
        ("http://192.0.2.7/a.jpg", "http://…"),
        ("http://[2001:db8::1]/a.jpg", "http://…"),
        ("https://user:pw@a.example/x", "https://a.example/…"),
        ("https://[broken", "…"),
        ("", ""),
    ],
)
def test_a_masked_link_leads_nowhere(url: str, shown: str) -> None:
    assert gathered.masked(url) == shown


def test_an_unknown_agency_says_what_to_set() -> None:
    with pytest.raises(UnknownAgency, match="REPORT_AGENCY"):
        registry.agency("nobody")


def test_a_moment_is_utc_to_the_second() -> None:
    assert re.fullmatch(r"2026-01-02T03:04:05Z", gathered.moment(SEEN))


def keep_preview(entry: Entry) -> None:
    """Its picture was at hand when it was flagged, so its signals were read."""
    sealed = store.seal(b"grey", SealedObject.Kind.PREVIEW)
    Preview.objects.create(entry=entry, level=1, sealed=sealed)


def add_match(entry: Entry, *, slug: str, algorithm: str, distance: int) -> Match:
    first = entry.flag.matches.first()
    hash_list = HashList.objects.create(slug=slug)
    version = hash_list.versions.create(number=1, label="2026-01", format="plain", checksum="2")
    known = known_row(version, algorithm, bytes(range(32)))
    return Match.objects.create(
        flag=entry.flag,
        known_hash=known,
        version=version,
        scan=first.scan,
        last_scan=first.scan,
        algorithm=algorithm,
        algorithm_version="1",
        distance=distance,
        threshold=31,
        variant="plain",
        origin=Match.Origin.FETCHED,
    )


def test_our_own_decision_is_never_told_as_a_match_of_a_list(
    reviewer: User, second_reviewer: User
) -> None:
    case = make_case()
    add_entry(case, slug="decided-here", trust="standard")
    HashList.objects.filter(slug="decided-here").update(own=True, owner="This site")
    for person in (reviewer, second_reviewer):
        case = settled(case, person, REMOVE)
    report = draft_of(case)

    listed, ours = (row["match_basis"] for row in rows_of(report))

    assert [each["list"] for each in listed] == ["harbour-trusted"]
    assert ours == [
        {"list": gathered.OURS, "version": "", "algorithm": "md5", "distance": 0, "category": ""}
    ]
    told = summaries.summary(report)
    assert (told.entries, told.exact, told.near, told.own) == (2, 1, 0, 1)
    assert told.categories == ("A1 (iwf)",)
