"""The whole sample through the real commands and a real worker: what must be found is found,
nothing else is, and every failing link has its own outcome."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from sample.server import PictureServer

from .conftest import Run

pytestmark = pytest.mark.django_db(transaction=True)

Lists = Callable[..., list[Any]]


def planted(
    truth: dict[str, Any], dataset: str, field: str, versions: tuple[str, ...]
) -> set[tuple[int, int, str]]:
    """(shard, row, algorithm) of every match that a scan must find."""
    return {
        (each["shard"], each["row"], algorithm)
        for each in truth["planted"]
        if each["dataset"] == dataset and each["version"] in versions
        for algorithm in each[field]
    }


def copies(truth: dict[str, Any], dataset: str) -> set[tuple[int, int, str]]:
    """(shard, row, "pdq") of every copy of a known picture, however far its own PDQ is away.

    A scan need not find those beyond the threshold (img2dataset may have framed them), but where it
    does by leaving out a margin or the like, it is right.
    """
    return {
        (each["shard"], each["row"], "pdq")
        for each in truth["planted"]
        if each["dataset"] == dataset and each["version"] == "1" and "pdq" in each["listed"]
    }


def found(run: Run, name: str, paths: list[str]) -> set[tuple[int, int, str]]:
    return {
        (paths.index(line["shard"]), line["row"], line["algorithm"])
        for line in run("flags", name, lines=True, here=True)
    }


def shards(run: Run, truth: dict[str, Any], dataset: str, folder: Path) -> list[str]:
    """Import a dataset of the sample and return the names of its shards, in order."""
    from moderation.models import Shard

    paths = [str(folder / path) for path in truth["datasets"][dataset]["paths"]]
    done = run("import_dataset", *paths, "--dataset", dataset, "--revision", "v1", here=True)
    rows = sum(shard["rows"] for shard in truth["datasets"][dataset]["shards"])
    assert (done["shards"], done["entries"]) == (len(truth["datasets"][dataset]["shards"]), rows)
    return [each.name for each in Shard.objects.filter(revision__dataset__name=dataset)]


def test_hash_only_finds_every_planted_exact_match_without_one_request(
    run: Run,
    load_lists: Lists,
    worker: Callable[[], Any],
    moved: Path,
    sample_folder: Path,
    truth: dict[str, Any],
    pictures: PictureServer,
) -> None:
    for each, counts in load_lists("1"):
        assert counts["new"] == each["values"]
        assert counts["rejected"] == each["rejected"]
    worker()
    for dataset in truth["datasets"]:
        in_links = dataset in ("laion5b", "laion400m", "csv", "jsonl")
        names = shards(run, truth, dataset, moved if in_links else sample_folder)
        result = run("scan", f"{dataset}@v1", "--wait", here=dataset != "laion5b")
        assert result["state"] == "finished", result
        assert sum(result["outcomes"].values()) == result["entries"]
        wanted = planted(truth, dataset, "hash_only", ("1",))
        all_found = found(run, f"{dataset}@v1", names)
        assert wanted <= all_found
        assert all_found - wanted <= (set() if in_links else copies(truth, dataset))
    assert pictures.requests == []


def test_fetching_finds_every_planted_copy_and_counts_every_failure(
    run: Run,
    load_lists: Lists,
    worker: Callable[[], Any],
    moved: Path,
    truth: dict[str, Any],
    pictures: PictureServer,
) -> None:
    from moderation.models import Scan, ShardScan

    load_lists("1")
    worker()
    names = shards(run, truth, "laion5b", moved)
    assert "Fetching is off" in run("scan", "laion5b@v1", "--fetch", "--wait", fails=1)
    assert pictures.requests == []

    soon = str(timezone.localdate() + timedelta(days=30))
    run("fetching", "on", "--basis", "test", "--officer", "T. Ester", "--until", soon)
    result = run("scan", "laion5b@v1", "--fetch", "--wait")

    assert result["state"] == "finished"
    assert sum(result["outcomes"].values()) == result["entries"]
    wanted = planted(truth, "laion5b", "fetch", ("1",)) | planted(
        truth, "laion5b", "hash_only", ("1",)
    )
    assert found(run, "laion5b@v1", names) == wanted
    reasons: Counter[str] = Counter()
    for shard_scan in ShardScan.objects.filter(scan=result["scan"]):
        reasons.update(shard_scan.reasons)
    failing = [each for each in truth["failing"] if each["dataset"] == "laion5b"]
    assert failing
    for each in failing:
        assert reasons.keys() & set(each["fetch"]), each
    assert sum(reasons.values()) == result["entries"]

    asked = len(pictures.requests)
    load_lists("2")
    run("rescan", "--wait")

    # Loading a list asks the worker to begin: the command waits for that scan or finds it done.
    assert {scan.state for scan in Scan.objects.filter(only_due=True)} == {"finished"}
    assert len(pictures.requests) == asked
    wanted = planted(truth, "laion5b", "fetch", ("1", "2")) | planted(
        truth, "laion5b", "hash_only", ("1", "2")
    )
    assert found(run, "laion5b@v1", names) == wanted
