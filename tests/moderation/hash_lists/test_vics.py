"""VICS JSON in every shape that its tools write."""

import json

import pytest

from moderation.hash_lists.known import ListUnreadable
from moderation.hash_lists.profiles import profile_from

from .files import hexed, items, known, reasons, value, vics, vics_media

BOTH = [("md5", value("md5", 1)), ("sha1", value("sha1", 1))]


def pairs(data):
    return [(item.algorithm, item.value) for item in known(items(data, "vics"))]


def test_one_entry_names_one_known_hash_per_algorithm():
    found = known(items(vics([vics_media(1, MimeType="image/jpeg")]), "vics"))
    assert found[0] == ("md5", value("md5", 1), "vics", "2", "1", False, "image", 0)
    assert found[1][:2] == ("sha1", value("sha1", 1))


@pytest.mark.parametrize(
    "text",
    [
        vics([vics_media(1)], context="odata.metadata"),
        json.dumps([vics_media(1)]),
        json.dumps({"value": [{"CaseID": "c", "Media": [vics_media(1)]}]}),
        json.dumps({"value": [{"Media": [vics_media(1)], "CaseID": "c", "MediaID": None}]})[:-2]
        + "]}",
        json.dumps({"@odata.context": "x", "Media": [vics_media(1)]}),
        json.dumps({"value": [{"CaseID": "empty"}, {"CaseID": "c", "Media": [vics_media(1)]}]}),
    ],
)
def test_shapes(text):
    assert pairs(text) == BOTH


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(encoding):
    assert pairs(vics([vics_media(1)]).encode(encoding)) == BOTH


def test_nested_hash_names_and_values():
    media = {
        "MediaID": 1,
        "Category": "1",
        "Hashes": [
            {"HashName": "MD5", "HashValue": hexed("md5", 1)},
            {"HashName": "SHA-1", "HashValue": hexed("sha1", 1)},
            {"HashName": "CRC", "HashValue": "77"},
        ],
    }
    assert pairs(vics([media])) == BOTH
    assert reasons(items(vics([media]), "vics")) == [("unknown_algorithm", 1)]
    media["Hashes"] = {"HashName": "MD5", "HashValue": hexed("md5", 1)}
    assert pairs(vics([media])) == BOTH[:1]


@pytest.mark.parametrize(
    ("given", "stored"), [(0, "0"), (None, ""), ("3", "3"), (2.0, "2"), (True, "")]
)
def test_categories_are_stored_as_the_supplier_wrote_them(given, stored):
    found = known(items(vics([vics_media(1, Category=given)]), "vics"))
    assert {(item.scheme, item.category) for item in found} == {("vics", stored)}


def test_the_operator_says_what_numbers_mean():
    profile = profile_from(
        {"scheme": "vics", "classes": {"1": "csam-critical", "5": "not_a_match", "0": "unknown"}}
    )
    media = [vics_media(number, Category=number) for number in (0, 1, 2, 5)]
    found = items(vics(media), "vics", profile=profile)
    assert [(item.scheme, item.category) for item in known(found)][::2] == [
        ("vics:unknown", "0"),
        ("vics:csam-critical", "1"),
        ("vics", "2"),
    ]
    assert reasons(found) == [("not_a_match", 4)]


def test_entries_without_a_usable_value_are_counted():
    media = [
        vics_media(1, MD5=None, SHA1=""),
        vics_media(2, MD5="d41d8cd98f00b204e9800998ecf8427e", SHA1=None),
        vics_media(3, MD5=7, SHA1=None),
        vics_media("a\0b"),
    ]
    found = items(vics(media), "vics")
    assert known(found) == []
    assert reasons(found) == [
        ("no_value", 1),
        ("empty_input_digest", 2),
        ("wrong_length", 3),
        ("bad_reference", 4),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"hashRecords": []}', "no list of VICS entries"),
        ('{"value": 1}', "no list of VICS entries"),
        ("17", "no list of VICS entries"),
        (vics([vics_media(1)])[:-1], "cut off"),
        (vics([vics_media(1), vics_media(2)])[:-300], "cut off"),
        (vics([vics_media(1)]) + "x", "JSON"),
        ("<html>", "JSON"),
        (vics([vics_media(1, MD5="a" * 10_000_000)]), "more than 131072 characters"),
        ("[" * 100, "nested too deeply"),
        (json.dumps([{"h": [{"HashName": "md5"}] * 101}]), "more than 100 hashes"),
        ('[{"MD5": ' + "1" * 10_000 + "}]", "no valid JSON|cut off"),
    ],
)
def test_unreadable_files(text, message):
    with pytest.raises(ListUnreadable, match=message):
        items(text, "vics")
