"""The command load_hash_list: its JSON, its exit codes, and one clear line for what is wrong."""

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pytest
from django.core.management import execute_from_command_line

from moderation.models import Case, CustodyEvent, HashList

from .files import LIMIT, hexed, plain, table, value
from .rows import flagged_case, row_of, standing, versions

pytestmark = pytest.mark.django_db
KEYS = ["list", "version", "new", "same", "changed", "removed", "rejected"]


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    # A command closes its connection at the end, which here holds the transaction of the test.
    keep_open = mock.patch("django.core.management.base.connections.close_all")
    with redirect_stdout(out), redirect_stderr(err), keep_open:
        try:
            execute_from_command_line(["manage.py", "load_hash_list", *arguments])
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "list.csv"
    file.write_text(table([(1, "A"), (2, "B"), (3, "C")]))
    return file


def options(path: Path | str, label: str = "2026-01", format: str = "csv") -> list[str]:
    return [str(path), "--list", "demo", "--version", label, "--format", format]


def test_the_json_object_stands_alone_on_standard_output(path):
    code, out, err = run(*options(path), "--json")
    assert code == 0
    body = json.loads(out)
    assert list(body) == KEYS
    assert body == {
        "list": "demo",
        "version": "2026-01",
        "new": 3,
        "same": 0,
        "changed": 0,
        "removed": 0,
        "rejected": {},
    }
    assert "new 3, same 0" in err
    assert len(standing("demo")) == 3


def test_without_json_standard_output_stays_empty(path):
    code, out, err = run(*options(path))
    assert (code, out) == (0, "")
    assert "demo 2026-01: new 3" in err


def test_a_negative_list_is_made_as_one_and_stays_one(path):
    assert run(*options(path), "--negative")[0] == 0
    assert HashList.objects.get().negative
    assert CustodyEvent.objects.get().after["negative"] is True
    path.write_text(table([(1, "A")]))
    assert run(*options(path, "2026-02"))[0] == 0
    assert run(*options(path, "2026-02"), "--negative")[0] == 0
    assert HashList.objects.get().current.number == 2


def test_a_list_that_flags_does_not_become_a_negative_one(path):
    run(*options(path))
    code, _, err = run(*options(path, "2026-02"), "--negative")
    assert code == 1
    assert "Nothing was loaded: the list exists and is no negative list" in err
    assert (HashList.objects.get().negative, len(versions("demo"))) == (False, 1)


def test_a_dry_run_says_so_and_keeps_nothing(path):
    code, out, err = run(*options(path), "--dry-run", "--json")
    assert (code, json.loads(out)["new"]) == (0, 3)
    assert "dry run" in err
    assert not HashList.objects.exists()


def test_a_second_time_changes_nothing_and_says_so(path):
    run(*options(path))
    code, out, err = run(*options(path), "--json")
    assert (code, json.loads(out)["same"]) == (0, 3)
    assert "nothing has changed" in err
    assert versions("demo") == [(1, "2026-01")]


def test_a_withdrawal_says_what_it_reopens(path):
    run(*options(path))
    path.write_text(table([(1, "A")]))
    code, _, err = run(*options(path, "2026-02"), "--dry-run")
    assert code == 0, err
    assert "would reopen 0 cases" in err


def test_one_case_is_one_and_reasons_are_in_words(path):
    run(*options(path))
    flagged_case(row_of("md5", value("md5", 2)), state=Case.State.CLOSED)
    path.write_text(table([(1, "A")]) + "zz,md5,A,,,\n")
    code, _, err = run(*options(path, "2026-02"))
    assert code == 0, err
    assert "What it withdraws reopens 1 case: closed" in err
    assert "rejected 1. Rejected: not the length of its algorithm: 1." in err


def test_plain_lines_without_an_algorithm_say_what_is_missing(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text(plain(range(3), "md5"))
    line = one_line(*run(*options(file, format="plain")))
    assert "(the line does not name its algorithm: 3)" in line
    assert "say with --algorithm what they are" in line
    assert "no_algorithm" not in line


@pytest.mark.parametrize("format", ["plain", "csv"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_values_read_as_another_algorithm_say_so_with_or_without_a_last_line_end(
    tmp_path, format, end
):
    file = tmp_path / "list"
    head = "hash\n" if format == "csv" else ""
    file.write_text(head + plain(range(20), "sha256").rstrip("\n") + end)
    line = one_line(*run(*options(file, format=format), "--algorithm", "md5"))
    assert "(not the length of its algorithm: 20)" in line
    assert "check --format, --algorithm" in line


def test_a_load_that_withdraws_or_rejects_much_says_so_before_and_after(path):
    run(*options(path))
    path.write_text(table([(1, "A")]) + "zz,md5,A,,,\n")
    for more, would in ((["--dry-run"], "would be"), ([], "were")):
        code, _, err = run(*options(path, "2026-02"), *more)
        assert code == 0, err
        assert f"Warning: 2 of 3 values that stood {would} withdrawn: " in err
        assert f"Warning: 1 of 2 values of the file {would} rejected: " in err


def test_a_calm_load_warns_of_nothing(path):
    path.write_text(table([(number, "A") for number in range(10)] * 2))
    _, _, first = run(*options(path))  # what is named twice is rejected on purpose
    path.write_text(table([(number, "A") for number in range(8)]) + "zz,md5,A,,,\n")
    _, _, second = run(*options(path, "2026-02"))  # 2 of 10 withdrawn, 1 of 9 rejected
    assert "rejected 10" in first
    assert "removed 2" in second
    assert "Warning" not in first + second


def test_every_option(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text(plain(range(3), "sha1"))
    code, _, err = run(
        *options(file, format="plain"),
        *("--algorithm", "SHA-1", "--trust", "trusted", "--owner", "Demo body"),
        *("--harm-class", "csam", "--synthetic"),
    )
    assert code == 0, err
    demo = HashList.objects.get()
    assert (demo.trust, demo.owner, demo.harm_class, demo.synthetic) == (
        "trusted",
        "Demo body",
        "csam",
        True,
    )
    assert {row[0] for row in standing("demo").values()} == {"sha1"}


def test_a_profile_from_a_file(tmp_path, path):
    profile = tmp_path / "own.json"
    profile.write_text(json.dumps({"columns": {"hash": "value"}, "algorithm": "md5"}))
    code, out, _ = run(*options(path), "--profile", str(profile), "--json")
    assert (code, json.loads(out)["new"]) == (0, 3)
    assert {row[1] for row in standing("demo").values()} == {""}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["list.csv"],
        ["list.csv", "--list", "demo", "--version", "1", "--format", "xlsx"],
        ["list.csv", "--list", "demo", "--version", "1", "--format", "csv", "--trust", "full"],
        ["list.csv", "--list", "demo", "--version", "1", "--format", "plain", "--algorithm", "x"],
        ["list.csv", "--list", "demo", "--version", "1", "--format", "vics", "--algorithm", "md5"],
        [
            "list.csv",
            "--list",
            "demo",
            "--version",
            "1",
            "--format",
            "plain",
            "--profile",
            "police",
        ],
        ["list.csv", "--list", "demo", "--version", "1", "--format", "csv", "--delta"],
        ["list.csv", "--list", "demo", "--version", "--format", "csv"],
        ["list.csv", "--list", "demo", "--version", "1", "--format", "csv", "--nonsense"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.strip()


def one_line(code: int, out: str, err: str) -> str:
    """The line of a refusal: exit code 1, nothing on standard output, no trace."""
    assert (code, out) == (1, "")
    assert len(err.strip().splitlines()) == 1, err
    assert err.startswith("Nothing was loaded: ")
    assert not HashList.objects.exists()
    return err


@pytest.mark.parametrize("format", ["plain", "csv", "vics", "ncmec", "stopncii"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(table([(1, "A")]).encode()[:-40], id="truncated"),
        pytest.param(table([(1, "A")]).encode("utf-16-be"), id="utf-16 without a mark"),
        pytest.param("hash,type\né,md5\n".encode("latin-1"), id="latin-1"),
        pytest.param(b"name,address\na,b\n", id="wrong columns"),
        pytest.param(b"a" * LIMIT, id="long line"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, id="picture"),
    ],
)
def test_unusable_files(tmp_path, format, content):
    file = tmp_path / "list"
    file.write_bytes(content)
    algorithm = ["--algorithm", "md5"] if format == "plain" else []
    line = one_line(*run(*options(file, format=format), *algorithm, "--json"))
    assert "Nothing was loaded: " in line
    assert hexed("md5", 1)[:8] not in line


@pytest.mark.parametrize("name", ["a\nb\x1b[31m.csv", "-x.csv", "a" * 255, "\udcff.csv", "é '$(x)"])
def test_hostile_names_of_good_files(tmp_path, path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.rename(path, os.fsencode(name))
    arguments = options(name)[1:]
    code, out, _ = run(*arguments, "--json", "--", name)
    assert (code, json.loads(out)["new"]) == (0, 3)


@pytest.mark.parametrize(
    "name", ["nowhere\n\x1b[31m.csv", ".", "", "a" * 300, "x/y", "/dev/null", "\udcff"]
)
def test_names_that_lead_to_no_file(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = one_line(*run(*options(name)))
    assert "\x1b" not in line
    assert "FILE" in line


def test_an_unknown_profile_is_refused(path):
    assert "--profile is neither" in one_line(*run(*options(path), "--profile", "nowhere"))


def test_a_reused_label_is_refused(path):
    run(*options(path))
    path.write_text(table([(9, "A")]))
    code, out, err = run(*options(path), "--json")
    assert (code, out) == (1, "")
    assert "label was given to another file" in err
    assert len(standing("demo")) == 3
