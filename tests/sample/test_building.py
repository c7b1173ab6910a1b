"""A sample is whole, repeatable, and says of itself what is in it."""

import csv
import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest

from sample import building, failing, perceptual, pictures, reencoded
from sample.__main__ import main
from sample.building import Options, build, read_truth
from sample.common import SampleError
from sample.moving import move
from sample.pictures import APART, EDITS, decode

SMALL = Options(
    pictures=40,
    seed=3,
    base_url="http://127.0.0.1:7001",
    wallpapers=False,
    img2dataset=reencoded.interpreter() is not None,
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "out"
    assert build(out, SMALL, data=out.parent / "data") is True
    return out


@pytest.fixture(scope="module")
def truth(sample: Path) -> dict[str, Any]:
    return read_truth(sample)


def _files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _rows(sample: Path, truth: dict[str, Any], dataset: str) -> list[list[dict[str, Any]]]:
    """Return the rows of a link form or of the embedded form, shard by shard."""
    shards = []
    for name in truth["datasets"][dataset]["paths"]:
        path = sample / name
        if path.suffix == ".parquet":
            shards.append(pq.read_table(path).to_pylist())
        elif path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                shards.append([dict(row) for row in csv.DictReader(file)])
        else:
            with path.open(encoding="utf-8") as file:
                shards.append([json.loads(line) for line in file])
    return shards


def _url(row: dict[str, Any]) -> str:
    return row.get("URL") or row.get("url") or ""


def _listed(sample: Path, truth: dict[str, Any], slug: str, version: str) -> str:
    [path] = [
        one["path"] for one in truth["lists"] if (one["list"], one["version"]) == (slug, version)
    ]
    return (sample / path).read_text(encoding="utf-8-sig").lower()


def test_building_again_changes_nothing(sample: Path) -> None:
    before = _files(sample)
    assert build(sample, SMALL, data=sample.parent) is False
    assert _files(sample) == before


def test_building_elsewhere_gives_the_same(
    sample: Path, truth: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "other"
    assert build(out, replace(SMALL, img2dataset=False), data=tmp_path) is True
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    options = {building.STAMP, "truth.json"}
    expected = {
        name: digest
        for name, digest in _files(sample).items()
        if name not in options and not name.startswith("img2dataset")
    }
    assert {name: d for name, d in _files(out).items() if name not in options} == expected
    for part in ("planted", "failing"):
        originals = [one for one in truth[part] if not one["dataset"].startswith("img2dataset")]
        assert read_truth(out)[part] == originals


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(SampleError, match="name another folder"):
        build(tmp_path, SMALL, data=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_a_build_that_fails_leaves_the_old_sample(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / building.STAMP).write_text('{"pictures": 1}')

    def stop(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures, "make", stop)
    with pytest.raises(SampleError, match="No space left on device"):
        build(out, SMALL, data=tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", building.STAMP]


def test_pictures_are_distinct_and_far_apart(sample: Path) -> None:
    names = sorted(path.name for path in (sample / "pictures").glob("0*"))
    assert len(names) == SMALL.pictures
    plain, turned = [], []
    for name in names:
        picture = decode((sample / "pictures" / name).read_bytes())
        turned.append(perceptual.turns(picture))
        plain.append(turned[-1][0])
    away = perceptual.distances(np.stack(turned)[:, :, None], np.stack(plain)[None, None])
    least = away.min(axis=1)
    np.fill_diagonal(least, 256)
    assert least.min() >= APART - 30  # they were told apart by a quicker, slightly other hash


def test_shards_hold_the_rows_that_the_truth_counts(sample: Path, truth: dict[str, Any]) -> None:
    assert len(truth["datasets"]["laion5b"]["paths"]) == 8
    for dataset in (*building.LINK_FORMS, "images"):
        rows = _rows(sample, truth, dataset)
        counts = [shard["rows"] for shard in truth["datasets"][dataset]["shards"]]
        assert [len(shard) for shard in rows] == counts
    links = [row for shard in _rows(sample, truth, "laion5b") for row in shard]
    served = {_url(row).rsplit("/", 1)[-1] for row in links if "/pictures/" in _url(row)}
    assert {path.name for path in (sample / "pictures").iterdir()} <= served
    assert sum(row["md5"] is None for row in links if "/pictures/" in _url(row)) > 0


def test_laion_columns(sample: Path, truth: dict[str, Any]) -> None:
    schema = pq.read_schema(sample / truth["datasets"]["laion5b"]["paths"][0])
    assert {field.name: str(field.type) for field in schema} == {
        "URL": "string",
        "TEXT": "string",
        "WIDTH": "int32",
        "HEIGHT": "int32",
        "similarity": "double",
        "hash": "int64",
        "punsafe": "float",
        "pwatermark": "float",
        "md5": "string",
    }
    keys = [row["hash"] for shard in _rows(sample, truth, "laion5b") for row in shard]
    assert len(set(keys)) == len(keys)


def test_planted_rows_are_where_the_truth_says(sample: Path, truth: dict[str, Any]) -> None:
    rows = {name: _rows(sample, truth, name) for name in (*building.LINK_FORMS, "images")}
    seen: Counter[str] = Counter()
    for plant in (plant for plant in truth["planted"] if plant["dataset"] in rows):
        row = rows[plant["dataset"]][plant["shard"]][plant["row"]]
        data = (sample / "pictures" / plant["picture"]).read_bytes()
        if plant["dataset"] == "images":
            assert row["image"]["bytes"] == data
        elif plant["dead"]:
            assert "/fail/404/" in _url(row)
        else:
            assert _url(row).removesuffix(plant["picture"]) in (
                f"{SMALL.base_url}/pictures/",
                f"{SMALL.base_url}/pictures/copy-",
            )
        listed = _listed(sample, truth, plant["list"], plant["version"])
        if plant["edit"] == "exact":
            for name in plant["listed"]:
                assert hashlib.new(name, data).hexdigest() in listed
        if plant["dataset"] != "images":
            columns = {name for name in ("md5", "sha1") if row.get(name)}
            known = set(plant["listed"]) if plant["edit"] == "exact" else set()
            assert set(plant["hash_only"]) == columns & known
        seen[plant["dataset"]] += 1
    assert all(seen[name] >= 15 for name in rows)


def test_lists_know_disjoint_pictures_and_every_edit(truth: dict[str, Any]) -> None:
    lists: dict[str, set[str]] = {}
    for plant in truth["planted"]:
        lists.setdefault(plant["picture"], set()).add(plant["list"])
    assert all(len(slugs) == 1 for slugs in lists.values())
    assert {plant["edit"] for plant in truth["planted"]} == {"exact", *EDITS}
    assert {slug for slugs in lists.values() for slug in slugs} == {
        one["list"] for one in truth["lists"]
    }


def test_distances_are_those_of_the_listed_value(sample: Path, truth: dict[str, Any]) -> None:
    edited = [p for p in truth["planted"] if p["dataset"] == "laion5b" and p["edit"] != "exact"]
    for plant in edited:
        picture = decode((sample / "pictures" / plant["picture"]).read_bytes())
        values = _listed(sample, truth, plant["list"], plant["version"])
        turns = {name: value.tobytes() for name, value in zip(
            perceptual.TURNS, perceptual.turns(picture), strict=True
        )}  # fmt: skip
        there = [bytes.fromhex(word) for word in _words(values) if len(word) == 64]
        away = min(
            int(perceptual.distances(*(np.frombuffer(v, np.uint8) for v in pair)))
            for pair in ((turns[plant["variant"]], value) for value in there)
        )
        assert away == plant["distance"]
        if plant["edit"] == "flipped":
            assert plant["variant"] == "flip_h"


def _words(text: str) -> list[str]:
    return text.replace('"', " ").replace("<", " ").replace(">", " ").replace(",", " ").split()


def test_version_2_adds_and_withdraws(sample: Path, truth: dict[str, Any]) -> None:
    for slug in ("sample-plain", "sample-ncmec"):
        later = {p["picture"] for p in truth["planted"] if (p["list"], p["version"]) == (slug, "2")}
        gone = {p["picture"] for p in truth["planted"] if p["list"] == slug and p["withdrawn"]}
        assert (len(later), len(gone)) == (2, 1)
    first, second = (_listed(sample, truth, "sample-plain", version) for version in "12")
    [gone_name] = {
        p["picture"] for p in truth["planted"] if p["list"] == "sample-plain" and p["withdrawn"]
    }
    digest = hashlib.md5((sample / "pictures" / gone_name).read_bytes()).hexdigest()
    assert digest in first
    assert digest not in second
    root = ElementTree.fromstring((sample / "lists/sample-ncmec-2.xml").read_bytes())
    deleted = root.findall(".//{*}deletedImage")
    assert len(deleted) == 2


def test_every_failing_kind_is_a_row_with_no_digest(sample: Path, truth: dict[str, Any]) -> None:
    rows = _rows(sample, truth, "laion5b")
    kinds: Counter[str] = Counter()
    for bad in truth["failing"]:
        if bad["dataset"] != "laion5b":
            continue
        row = rows[bad["shard"]][bad["row"]]
        kinds[bad["kind"]] += 1
        if bad["kind"] in failing.KINDS:
            assert row["md5"] is None
            assert bad["fetch"] == list(failing.KINDS[bad["kind"]].reasons)
    assert kinds.keys() == failing.KINDS.keys() | {"dead-and-known", "bad-md5"}
    assert kinds["endless"] == 1
    assert kinds["404"] == 3


def test_links_move_to_another_address(sample: Path, truth: dict[str, Any], tmp_path: Path) -> None:
    move(sample, "http://127.0.0.1:9", tmp_path)
    for dataset in building.LINK_FORMS:
        old, new = (_rows(folder, truth, dataset) for folder in (sample, tmp_path))
        column = "URL" if dataset.startswith("laion") else "url"
        for shard_before, shard_after in zip(old, new, strict=True):
            for before, after in zip(shard_before, shard_after, strict=True):
                url = before[column]
                moved = url and url.replace(f"{SMALL.base_url}/", "http://127.0.0.1:9/")
                assert after == {**before, column: moved}


def test_the_commands(sample: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["--pictures", "40", "--seed", "3", "--drawn"]
    assert main(["build", "--out", str(sample), "--base-url", SMALL.base_url, *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["built"] is False
    assert main(["serve", "--dir", str(tmp_path), "--port", "0"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_without_img2dataset_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMG2DATASET", str(tmp_path / "none"))
    with pytest.raises(SampleError, match="make setup-sample"):
        build(tmp_path / "out", Options(pictures=40, img2dataset=True), data=tmp_path)


def test_what_img2dataset_wrote(sample: Path, truth: dict[str, Any]) -> None:
    if not SMALL.img2dataset:
        pytest.skip("no img2dataset on this machine: make setup-sample")
    keys = []
    for form in reencoded.FORMS:
        dataset = f"img2dataset_{form}"
        planted = [plant for plant in truth["planted"] if plant["dataset"] == dataset]
        tables = [
            pq.read_table(path, columns=["key", "url", "status", "sha256"]).to_pylist()
            for path in sorted((sample / "img2dataset" / form).glob("*.parquet"))
        ]
        counts = [shard["rows"] for shard in truth["datasets"][dataset]["shards"]]
        assert [len(table) for table in tables] == counts
        for plant in planted:
            row = tables[plant["shard"]][plant["row"]]
            assert row["key"] == plant["row_key"]
            assert (row["status"] == "success") is not plant["dead"]
            if plant["edit"] == "exact" and not plant["dead"]:
                data = (sample / "pictures" / plant["picture"]).read_bytes()
                assert row["sha256"] == hashlib.sha256(data).hexdigest()
                assert plant["hash_only"]
        keys.append([row["key"] for table in tables for row in table])
        failed = sum(row["status"] != "success" for table in tables for row in table)
        assert failed == sum(bad["dataset"] == dataset for bad in truth["failing"]) > 10
    assert keys[0] == keys[1] == keys[2]
