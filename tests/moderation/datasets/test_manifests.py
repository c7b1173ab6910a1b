"""A manifest's file: its name, the files that are not its shards, and a second run."""

import csv
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from moderation.datasets import manifests
from moderation.datasets.manifests import Line, ManifestFile, ManifestRefused
from moderation.datasets.readers import DatasetError

KEY = "21" * 32


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """Links with an image column that a manifest names."""
    file = tmp_path / "in" / "links.csv"
    file.parent.mkdir()
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([["address"], *([f"https://p.invalid/{n}"] for n in range(3))])
    return file


@pytest.fixture
def manifest(shard: Path, tmp_path: Path) -> ManifestFile:
    columns = {"url": "address"}
    listed = {
        "number": 0,
        "name": shard.name,
        "rows": 3,
        "sha256": hashlib.sha256(shard.read_bytes()).hexdigest(),
        "columns": columns,
    }
    head = {"dataset": "harbour", "revision": "v1", "columns": columns, "shards": [listed]}
    file = tmp_path / "manifest.jsonl"
    file.write_bytes(manifests.write(head, [Line(0, 1, "")], signing_key=KEY))
    return manifests.read(str(file))


def test_it_knows_the_name_of_its_revision(manifest: ManifestFile) -> None:
    assert manifest.name == "harbour@v1"


@pytest.mark.parametrize(
    ("dataset", "label", "name"),
    [
        ("harbour", "v1", "harbour-v1-manifest-0007.jsonl"),
        ("An Owner/Pictures", "main 2026.11", "an-ownerpictures-main-202611-manifest-0007.jsonl"),
        ("../..", "\n", "unnamed-unnamed-manifest-0007.jsonl"),
    ],
)
def test_the_file_is_called_after_the_revision(dataset: str, label: str, name: str) -> None:
    assert manifests.file_name(dataset, label, 7) == name


def test_files_of_another_revision_are_called_that(manifest: ManifestFile, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("url\nhttps://p.invalid/1\n")
    out = tmp_path / "out"
    with pytest.raises(ManifestRefused, match=r"other\.csv: not a shard of harbour@v1, which"):
        manifests.apply(manifest, [str(other)], out=str(out))
    assert not out.exists()


def test_a_second_run_into_the_same_folder_says_so(
    manifest: ManifestFile, shard: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = manifests.apply(manifest, [str(shard)], out=str(out))
    assert (first.rows_in, first.rows_out, first.removed, first.repeated) == (3, 2, 1, False)
    second = manifests.apply(manifest, [str(shard)], out=str(out))
    assert second.repeated
    assert second.checksums == first.checksums
    (out / "links.csv").write_text("something else")
    with pytest.raises(DatasetError, match="stands in its place"):
        manifests.apply(manifest, [str(shard)], out=str(out))
    assert (out / "links.csv").read_text() == "something else"


def signed(text: str, tmp_path: Path, key: str | None = None) -> str:
    """A file of these lines with the signature of someone."""
    body = text.encode() + b"\n"
    signer = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(KEY))
    public = key or signer.public_key().public_bytes_raw().hex()
    signature = {"ed25519": signer.sign(body).hex(), "public_key": public}
    file = tmp_path / "hostile.jsonl"
    file.write_bytes(body + json.dumps({"signature": signature}).encode() + b"\n")
    return str(file)


LISTED = {"number": 0, "name": "a", "rows": 3, "sha256": "ab" * 32, "columns": {"url": "u"}}
HEAD = {
    "manifest": 1,
    "dataset": "d",
    "revision": "r",
    "columns": {"url": "u"},
    "shards": [LISTED],
}
LINE = {"shard": 0, "row": 1, "row_key": ""}


def test_a_signed_file_of_this_form_is_read(tmp_path: Path) -> None:
    text = f"{json.dumps(HEAD)}\n{json.dumps(LINE)}"
    assert manifests.read(signed(text, tmp_path)).lines == (Line(0, 1, ""),)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "",
        "null",
        "[]",
        '"manifest"',
        "{}",
        json.dumps(HEAD) + "\n[]",
        json.dumps(HEAD) + "\n{}",
        json.dumps(HEAD) + '\n{"shard": 0, "row": 1e999, "row_key": ""}',
        json.dumps(HEAD) + f'\n{{"shard": 0, "row": {"9" * 5000}, "row_key": ""}}',
        *(
            f"{json.dumps(HEAD)}\n{json.dumps(LINE | changed)}"
            for changed in (
                {"row": 10},
                {"row": True},
                {"row": 1.0},
                {"row": "1"},
                {"row": -1},
                {"row": 10**30},
                {"shard": 1},
                {"shard": None},
                {"shard": []},
                {"row_key": 5},
                {"row_key": None},
            )
        ),
        *(
            json.dumps(HEAD | changed)
            for changed in (
                {"manifest": 2},
                {"manifest": {"a": "\n"}},
                {"manifest": True},
                {"columns": []},
                {"columns": None},
                {"columns": {"url": 5}},
                {"columns": [["url", "u"]]},
                {"dataset": 5},
                {"revision": ["r"]},
                {"shards": {}},
                {"shards": [5]},
                {"shards": [[]]},
                {"shards": [LISTED, LISTED]},
                *(
                    {"shards": [LISTED | part]}
                    for part in (
                        {"number": "0"},
                        {"number": 0.5},
                        {"name": 5},
                        {"rows": "three"},
                        {"rows": -1},
                        {"sha256": 5},
                        {"sha256": "ab"},
                        {"sha256": "zz" * 32},
                        {"columns": "url"},
                        {"columns": {"url": None}},
                    )
                ),
            )
        ),
    ],
)
def test_a_signed_file_of_nonsense_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestRefused, match=r"^[^\n]+$"):
        manifests.read(signed(text, tmp_path))


@pytest.mark.parametrize("key", ["", "zz" * 32, "ab", "\u0660" * 64])
def test_a_signature_of_nonsense_is_refused(key: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestRefused):
        manifests.read(signed(json.dumps(HEAD), tmp_path, key or "00"))


@pytest.mark.parametrize("last", ["[]", "5", "null", "[" * 100_000, '{"signature": []}'])
def test_an_end_that_is_no_signature_is_refused(last: str, tmp_path: Path) -> None:
    file = tmp_path / "hostile.jsonl"
    file.write_text(f"{json.dumps(HEAD)}\n{last}\n")
    with pytest.raises(ManifestRefused, match="no manifest"):
        manifests.read(str(file))


def test_a_file_beyond_reason_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "FILE_BYTES", 100)
    with pytest.raises(ManifestRefused, match="larger than"):
        manifests.read(signed(json.dumps(HEAD), tmp_path))


@pytest.mark.parametrize("path", [".", "/dev/zero", "nowhere.jsonl", "a\0b", "a" * 5000])
def test_what_is_no_file_is_refused(path: str) -> None:
    with pytest.raises(ManifestRefused, match="cannot be read"):
        manifests.read(path)
