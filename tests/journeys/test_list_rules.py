"""The rules of lists with real commands and two real worker processes: what they pass over is
counted, and found by the next rescan once each rule lets go."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from moderation.hash_lists import changing, values
from moderation.hash_lists.loading import load as load_hash_list
from moderation.models import CustodyEvent, Flag, HashList, KnownHash, Match, Scan
from moderation.scanning import progress
from tests import pictures
from tests.known import only_row
from tests.moderation.scanning.conftest import md5_of, pdq_of

from .conftest import Run, StartWorker

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 4
SHARDS, COPIES = 4, 5
CROWD, HARMLESS, CHART, SAMPLED = 1, 2, 3, 4  # seeds of the pictures


def found(scan: dict[str, Any]) -> dict[str, int]:
    """What a scan passed over; every match it found is on a flag or passed over."""
    assert scan["state"] == Scan.State.FINISHED
    passed: dict[str, int] = scan.get("passed_over", {})
    on_flags = Match.objects.filter(last_scan=scan["scan"]).count()
    assert sum(scan["matches"].values()) == on_flags + sum(passed.values())
    assert progress.of(Scan.objects.get(pk=scan["scan"])).on_flags == on_flags
    return passed


def test_each_rule_passes_over_counts_and_lets_go(
    surroundings: dict[str, str],
    run: Run,
    worker: StartWorker,
    person: Callable[..., User],
    tmp_path: Path,
) -> None:
    surroundings["FLOOD_MATCHES"] = str(LIMIT)
    manager = person("lima", "list_manager")
    quality = iter(range(40, 40 + SHARDS * COPIES))
    folder = tmp_path / "crowd"
    folder.mkdir()
    single = {seed: pictures.encoded(pictures.picture(seed)) for seed in (2, 3, 4)}
    for number in range(SHARDS):
        crowd = [
            pictures.encoded(pictures.picture(CROWD), quality=next(quality)) for _ in range(COPIES)
        ]
        pictures.embedded(
            folder / f"train-{number:05}-of-{SHARDS:05}.parquet", [*crowd, *single.values()]
        )

    def load(slug: str, version: str, lines: list[str], *more: str) -> None:
        file = tmp_path / f"{slug}-{version}.txt"
        file.write_text("\n".join(lines))
        words = ("--list", slug, "--version", version, "--format", "plain", "--synthetic")
        run("load_hash_list", str(file), *words, *more, here=True)

    known = pdq_of(pictures.encoded(pictures.picture(CROWD)))
    load("near", "1", [known, pdq_of(single[HARMLESS])])
    load("exact", "1", [md5_of(single[CHART])])
    load("trial", "1", [md5_of(single[SAMPLED])], "--trust", "trial")
    load("harmless", "1", [f"sha1 {hashlib.sha1(single[HARMLESS]).hexdigest()}"], "--negative")
    chart = only_row("exact")
    values.disable(chart, by=manager, until=None, note="A test chart.")
    run("import_dataset", str(folder), "--dataset", "crowd", "--revision", "v1", here=True)
    worker()
    worker()

    scan = run("scan", "crowd@v1", "--wait")

    assert found(scan) == {
        "set_aside": SHARDS * COPIES - LIMIT,
        "suppressed": SHARDS,
        "disabled": SHARDS,
        "unsampled": SHARDS,
    }
    assert Flag.objects.count() == LIMIT
    assert run("rescan", "--wait")["scans"] == []

    aside = KnownHash.objects.get(set_aside_at__isnull=False)
    values.release(aside, by=manager)
    [scan] = run("rescan", "--wait")["scans"]
    assert found(scan) == {"suppressed": SHARDS}  # of the same list: it is compared as a whole
    assert Flag.objects.count() == SHARDS * COPIES

    # Not by the command: it would have the workers start before the other rules let go.
    load_hash_list(io.BytesIO(b"md5 " + b"ab" * 16), slug="harmless", label="2", format="plain")
    values.lift(chart, by=manager)
    changing.change(HashList.objects.get(slug="trial"), by=manager, sample_ratio=1)
    [scan] = run("rescan", "--wait")["scans"]
    assert found(scan) == {}
    assert Flag.objects.count() == SHARDS * (COPIES + 3)
    assert run("rescan", "--wait")["scans"] == []
    assert CustodyEvent.objects.check_chain().intact
