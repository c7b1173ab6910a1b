"""A manifest's file: its name, the files that are not its shards, and a second run."""

import csv
import hashlib
from pathlib import Path

import pytest

from moderation.datasets import manifests
from moderation.datasets.manifests import Line, ManifestFile, ManifestRefused

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
    third = manifests.apply(manifest, [str(shard)], out=str(out))
    assert not third.repeated
    assert third.checksums == first.checksums
