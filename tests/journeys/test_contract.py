"""What others script against: the keys that each command prints with --json, exactly as
documented, alone on standard output."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from moderation.models import Case, Removal, Revision, Scan
from tests import pictures
from tests.moderation.review.making import settled
from tests.moderation.scanning.conftest import finish, md5_of

from .test_bad_input import command

pytestmark = pytest.mark.django_db(transaction=True)

SCAN = ["scan", "state", "entries", "outcomes", "matches", "flags", "cases"]
MATCH = ["list", "algorithm", "distance", "variant"]


def said(*words: str) -> list[dict[str, Any]]:
    """The JSON lines of a command that does its job."""
    code, out, err = command(*words, "--json")
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def test_the_keys_of_every_command(
    surroundings: dict[str, str], reviewer: User, second_reviewer: User, tmp_path: Path
) -> None:
    drawn = [pictures.encoded(pictures.picture(seed)) for seed in range(4)]
    picture = tmp_path / "a.jpg"
    picture.write_bytes(drawn[0])
    pictures.links(tmp_path / "in.parquet", drawn)
    for version, listed in (("1", drawn[:1]), ("2", drawn[:2])):
        (tmp_path / f"{version}.txt").write_text("\n".join(map(md5_of, listed)))

    [imported] = said(
        *("import_dataset", str(tmp_path / "in.parquet")),
        *("--dataset", "harbour", "--revision", "v1", "--synthetic"),
    )
    assert list(imported) == ["dataset", "revision", "shards", "entries", "columns"]
    assert imported["columns"]["url"] == "URL"
    load = ("--list", "demo", "--format", "plain", "--trust", "trusted", "--version")
    for more in (("--dry-run",), ()):
        [loaded] = said("load_hash_list", str(tmp_path / "1.txt"), *load, "1", *more)
        assert list(loaded) == ["list", "version", "new", "same", "changed", "removed", "rejected"]
        assert (loaded["new"], loaded["rejected"]) == (1, {})

    soon = str(timezone.localdate() + timedelta(days=30))
    basis = ("--basis", "test", "--officer", "T. Ester", "--until", soon)
    for words, on in ((("on", *basis), True), (("off",), False)):
        [fetching] = said("fetching", *words)
        assert list(fetching) == ["fetching", "until"]
        assert (fetching["fetching"], bool(fetching["until"])) == (on, on)

    [scan] = said("scan", "harbour@v1")
    assert list(scan) == SCAN
    assert list(scan["matches"]) == ["exact", "near"]
    assert scan["state"] == "running"
    finish(Scan.objects.get(pk=scan["scan"]))
    [flag] = said("flags", "harbour@v1")
    assert list(flag) == ["shard", "row", "row_key", *MATCH, "case", "state"]
    assert (flag["row"], flag["row_key"], flag["state"]) == (0, "10000", "open")

    [hashed] = said("hash", str(picture))
    keys = ["file", "md5", "sha1", "sha256", "pdq", "pdq_quality", "phash"]
    assert list(hashed) == keys
    code, out, _ = command("hash", str(tmp_path / "1.txt"), "--json")
    assert (code, list(json.loads(out))) == (1, ["file", "error"])
    for words in ((str(picture),), ("--hash", f"md5:{hashed['md5']}")):
        [screened] = said("screen", *words)
        assert list(screened) == ["item", "verdict", "matches"]
        assert screened["verdict"] == "exact"
        assert [list(match) for match in screened["matches"]] == [MATCH]

    assert said("rescan") == [{"scans": []}]
    said("load_hash_list", str(tmp_path / "2.txt"), *load, "2")
    [rescans] = said("rescan", "harbour@v1")
    assert list(rescans) == ["scans"]
    assert [list(each) for each in rescans["scans"]] == [["revision", *SCAN]]
    finish(Scan.objects.get(pk=rescans["scans"][0]["scan"]))

    for case in Case.objects.all():
        settled(case, reviewer, "REMOVE_KNOWN")
        settled(case, second_reviewer, "REMOVE_KNOWN")
    assert Removal.objects.count() == 2
    manifest, out = tmp_path / "m.jsonl", tmp_path / "out"
    [built] = said("build_manifest", "harbour@v1", "--out", str(manifest))
    assert built == {"manifest": str(manifest), "lines": 2}
    [applied] = said(
        "apply_manifest", str(manifest), str(tmp_path / "in.parquet"), "--out", str(out)
    )
    assert list(applied) == ["rows_in", "rows_out", "removed", "checksums"]
    [verified] = said("verify_manifest", str(manifest))
    assert list(verified) == ["manifest", "lines", "verified"]

    [chain] = said("verify_custody")
    assert list(chain) == ["events", "head", "intact"]
    assert chain["intact"] is True


def test_a_scan_that_waits_prints_the_end(
    surroundings: dict[str, str], tmp_path: Path, run: Any, worker: Any
) -> None:
    drawn = [pictures.encoded(pictures.picture(seed)) for seed in range(2)]
    pictures.links(tmp_path / "in.parquet", drawn)
    (tmp_path / "1.txt").write_text(md5_of(drawn[0]))
    words = ("--list", "demo", "--format", "plain", "--version", "1")
    said("load_hash_list", str(tmp_path / "1.txt"), *words)
    place = str(tmp_path / "in.parquet")
    said("import_dataset", place, "--dataset", "harbour", "--revision", "v1")
    worker()

    done = run("scan", "harbour@v1", "--wait")

    assert done == {
        "scan": done["scan"],
        "state": "finished",
        "entries": 2,
        "outcomes": {"hashed": 2},
        "matches": {"exact": 1, "near": 0},
        "flags": 1,
        "cases": 1,
    }


def test_the_demo(
    surroundings: dict[str, str],
    sample_folder: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SAMPLE_DIR", str(sample_folder))
    for _ in range(2):  # running it again changes nothing
        [demo] = said("demo")
        assert list(demo) == ["address", "logins"]
        assert demo["address"].startswith("http://127.0.0.1:")
        roles = {role for login in demo["logins"].values() for role in login["roles"]}
        wanted = {"reviewer", "lead", "reporter", "list_manager", "operator", "auditor"}
        assert roles == wanted
        assert Revision.objects.count() == 2
        assert User.objects.count() == len(demo["logins"])
    settings.PRODUCTION = True
    code, out, err = command("demo", "--json")
    assert (code, out) == (1, "")
    assert "refuses to run in production" in err
