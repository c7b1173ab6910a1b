"""Profiles: built in, from a JSON file, and refused with one line that says why."""

import json

import pytest

from moderation.hash_lists.known import ListError, ListUnreadable
from moderation.hash_lists.profiles import GENERIC, ProfileInvalid, profile_from, profile_named

from .files import hexed, items, known


def test_built_in_profiles_by_name():
    assert profile_named("generic") is GENERIC
    assert profile_named("police").delimiter == ";"


def test_a_file_may_start_from_a_built_in_one(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"like": "police", "encoding": "cp1252"}), encoding="utf-8-sig")
    profile = profile_named(str(path))
    text = f"MD5;Series name\n{hexed('md5', 1)};é\n"
    assert len(known(items(text.encode("cp1252"), "csv", profile=profile))) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe\x00", b'"generic"'])
def test_a_file_that_is_no_profile(tmp_path, content):
    path = tmp_path / "own.json"
    path.write_bytes(content)
    with pytest.raises(ProfileInvalid, match="JSON"):
        profile_named(str(path))


@pytest.mark.parametrize("name", ["nowhere.json", ".", "a\0b", "x" * 5000])
def test_a_name_that_leads_nowhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProfileInvalid, match=r"generic, police or the path"):
        profile_named(name)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"colums": {}}, "unknown part"),
        ({"header": 1}, "header in the profile must be a bool"),
        ({"skip_rows": True}, "skip_rows in the profile must be a int"),
        ({"columns": {"a": "hash"}}, "columns in the profile must lead to one of"),
        ({"columns": {"a": 1}}, "must lead from text to text"),
        ({"columns": {"a": "value"}, "header": False}, "numbers from 1"),
        ({"delimiter": ";;"}, "one character"),
        ({"encoding": "hex"}, "no text encoding"),
        ({"encoding": "nonsense"}, "no text encoding"),
        ({"encoding": "punycode"}, "no text encoding"),
        ({"encoding": "undefined"}, "no text encoding"),
        ({"encoding": "a\0b"}, "no text encoding"),
        ({"encoding": ""}, "no text encoding"),
        ({"like": []}, "like in the profile"),
        ({"like": {}}, "like in the profile"),
        ({"like": 5}, "like in the profile"),
        ({"like": "other"}, "like in the profile"),
        ({"algorithm": "crc32"}, "algorithm in the profile"),
        ({"skip_rows": -1}, "negative"),
        ({"skip": {"a": "b"}}, "list of texts"),
        ({"classes": {"1": "bad"}}, "classes in the profile"),
        ({"scheme": "x" * 31}, "30 or shorter"),
        ({"scheme": "x" * 20, "classes": {"1": "csam-critical"}}, "16 or shorter"),
        ({"scheme": "a:b"}, "colon"),
    ],
)
def test_parts_that_make_no_sense(body, message):
    with pytest.raises(ProfileInvalid, match=message):
        profile_from(body)


@pytest.mark.parametrize("format", ["plain", "ncmec", "stopncii"])
def test_a_profile_is_refused_where_the_layout_is_fixed(format):
    with pytest.raises(ListError, match="leave --profile out"):
        items("x", format, profile=GENERIC)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "cp1252", "utf-16-le"])
def test_a_text_that_is_not_in_the_encoding_of_its_profile(encoding):
    profile = profile_from({"like": "generic", "encoding": encoding})
    with pytest.raises(ListUnreadable):
        items(b"hash,type\n\x81\x8d\xff\xd8\x00\xdc\xff\xff" * 3, "csv", profile=profile)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "cp1252", "shift_jis"])
def test_a_text_in_the_encoding_of_its_profile(encoding):
    profile = profile_from({"like": "generic", "encoding": encoding})
    text = f"hash,type\n{hexed('md5', 1)},md5\n"
    assert len(known(items(text.encode(encoding), "csv", profile=profile))) == 1
