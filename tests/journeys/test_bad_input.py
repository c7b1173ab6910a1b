"""Every command with wrong usage, and every reader with files that are broken or hostile: the exit
code says which, one clear line says what to do, and nothing is half-loaded."""

import io
import json
import os
import re
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import execute_from_command_line
from pytest_django import Settings

from moderation.hash_lists.formats import FORMATS
from moderation.models import (
    CustodyEvent,
    Dataset,
    Entry,
    HashList,
    HashListVersion,
    KnownBlock,
    Revision,
    Scan,
    Shard,
)
from moderation.scanning import planning
from tests import pictures
from tests.moderation.datasets import shards
from tests.moderation.hash_lists import test_bad_files
from tests.moderation.scanning.conftest import finish

from .conftest import Run

pytestmark = pytest.mark.django_db

LONG = 10_000_000  # characters of one line
LONGEST = 1_000_000  # characters of a value that is still read
HASH = re.compile("[0-9a-fA-F]{32,}")


@pytest.fixture(autouse=True)
def stores(settings: Settings, tmp_path: Path) -> None:
    settings.LEDGER_URL = (tmp_path / "ledgers").as_uri()
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()


def command(*words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command, run inside this process."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    # A command closes its connections at the end, and with them the transaction of the test.
    open_ = mock.patch("django.core.management.base.connections.close_all")
    with redirect_stdout(out), redirect_stderr(err), open_:
        try:
            execute_from_command_line(["manage.py", *words])
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue(), err.getvalue()


def refused(*words: str) -> str:
    """The one line that a command ends in, which shows nothing of what the file holds."""
    code, out, err = command(*words)
    assert (code, out) == (1, ""), err
    assert err.count("\n") == 1, err
    line = err.rstrip("\n")
    assert line.isprintable()
    assert len(line) < 700
    assert not HASH.search(line)
    assert "http" not in line
    assert "picture" not in line.removeprefix("CommandError: ").partition(": ")[2]
    return line


def nothing_loaded() -> bool:
    kept = (Dataset, Revision, Shard, HashList, HashListVersion, KnownBlock, CustodyEvent)
    return not any(model.objects.exists() for model in kept)


# --- usage -----------------------------------------------------------------------------------

LOAD = ("load_hash_list", "x.csv", "--list", "a", "--version", "1")


@pytest.mark.parametrize(
    "words",
    [
        ("import_dataset",),
        ("import_dataset", "x.csv"),
        ("import_dataset", "x.csv", "--dataset", "a"),
        ("import_dataset", "x.csv", "--dataset", "a", "--revision", "b", "--map", "url"),
        ("import_dataset", "x.csv", "--dataset", "a", "--revision", "b", "--map", "=url"),
        ("import_dataset", "x.csv", "--dataset", "a", "--revision", "b", "--fetch"),
        ("load_hash_list",),
        ("load_hash_list", "x.csv", "--version", "1", "--format", "csv"),
        LOAD,
        (*LOAD, "--format", "xls"),
        (*LOAD, "--format", "plain", "--algorithm", "md6"),
        (*LOAD, "--format", "plain", "--trust", "some"),
        (*LOAD, "--format", "plain", "--profile", "generic"),
        (*LOAD, "--format", "plain", "--delta"),
        (*LOAD, "--format", "vics", "--algorithm", "md5"),
        ("fetching",),
        ("fetching", "maybe"),
        ("fetching", "on"),
        ("fetching", "on", "--basis", "a", "--officer", "b"),
        ("fetching", "on", "--basis", "a", "--officer", "b", "--until", "soon"),
        ("scan",),
        ("scan", "harbour"),
        ("scan", "harbour@v1", "--lists"),
        ("scan", "harbour@v1", "v2"),
        ("rescan", "harbour"),
        ("rescan", "--all"),
        ("flags",),
        ("flags", "harbour"),
        ("hash",),
        ("screen",),
        ("screen", "--hash", "ab" * 16),
        ("build_manifest",),
        ("build_manifest", "harbour"),
        ("apply_manifest",),
        ("apply_manifest", "m.jsonl", "x.csv"),
        ("apply_manifest", "m.jsonl", "--out", "x"),
        ("verify_manifest",),
        ("verify_custody", "all"),
        ("demo", "all"),
    ],
    ids=" ".join,
)
def test_wrong_usage(words: tuple[str, ...]) -> None:
    code, out, err = command(*words)
    assert (code, out) == (2, ""), err
    assert err.strip()
    assert "Traceback" not in err
    assert nothing_loaded()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("scan", "harbour@v1"), "No revision is called 'harbour@v1'. Import one"),
        (("rescan", "harbour@v1"), "No revision is called"),
        (("flags", "harbour@v1"), "No revision is called"),
        (("build_manifest", "harbour@v1"), "No revision is called"),
        (("screen", "--hash", "md5:" + "ab" * 16), "No hash list is in force"),
        (("import_dataset", "x.csv", "--dataset", "a@b", "--revision", "1"), "without @"),
        (("import_dataset", "x.csv", "--dataset", "a", "--revision", " "), "printable characters"),
        (("import_dataset", "x.csv", "--dataset", "a" * 201, "--revision", "1"), "1 to 200"),
        (("import_dataset", "x.csv", "--dataset", "a\n", "--revision", "1"), "printable"),
        (("import_dataset", "x.csv", "--dataset", "a", "--revision", "1"), "no such file"),
        (("import_dataset", "ftp://x/y", "--dataset", "a", "--revision", "1"), "ftp"),
        (
            ("apply_manifest", "nope.jsonl", "x.csv", "--out", "x"),
            "nope.jsonl cannot be read: there",
        ),
        (("verify_manifest", "nope.jsonl"), "manifest nope.jsonl cannot be read: there is no"),
        ((*LOAD, "--format", "plain"), "FILE does not exist"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_what_is_not_there(words: tuple[str, ...], said: str) -> None:
    assert said in refused(*words)
    assert nothing_loaded()


# --- datasets --------------------------------------------------------------------------------


TEXTS = (shards.links_csv, shards.links_jsonl)
PARQUETS = (shards.links_parquet, shards.image_parquet, shards.img2dataset_parquet)


def empty(made: shards.Made) -> None:
    made.location.write_bytes(b"")


def cut_short(made: shards.Made) -> None:
    data = made.location.read_bytes()
    length = len(data) * 2 // 3
    if made.location.suffix in (".csv", ".jsonl"):
        length = data.rindex(b'"') - 3  # inside quotes; elsewhere it may be a shorter file
    made.location.write_bytes(data[:length])


def other_encoding(made: shards.Made) -> None:
    """Latin-1 in a text; a binary form as if a tool had taken it for text."""
    data = made.location.read_bytes()
    if made.location.suffix in (".csv", ".jsonl"):
        data = data.replace("ü".encode(), b"\xfc").replace(b"\\u00fc", b"\xfc")
        assert b"\xfc" in data
    else:
        data = data.decode("latin-1").encode()
    made.location.write_bytes(data)


def utf16(made: shards.Made) -> None:
    made.location.write_bytes(made.location.read_bytes().decode().encode("utf-16"))


def wrong_columns(made: shards.Made) -> None:
    """Columns of something else."""
    if made.location.suffix == ".csv":
        made.location.write_text("name,price\nbolt,3\n")
    elif made.location.suffix == ".jsonl":
        made.location.write_text('{"name": "bolt", "price": 3}\n')
    else:
        pq.write_table(pa.table({"name": ["bolt"], "price": [3]}), made.location)


def wrong_types(made: shards.Made) -> None:
    """The right names for the wrong things."""
    table = pq.read_table(made.location)
    for name in table.column_names:
        if name.lower() in ("url", "image", "jpg"):
            numbers = pa.array(range(table.num_rows), pa.int64())
            table = table.set_column(table.column_names.index(name), name, numbers)
    pq.write_table(table, made.location)


def long_line(made: shards.Made) -> None:
    if made.location.suffix in (".csv", ".jsonl"):
        with made.location.open("ab") as file:
            file.write(b"x" * LONG + b"\n")
    else:
        made.location.write_bytes(b"x" * LONG)


DAMAGES = {
    empty: shards.MAKERS,
    cut_short: shards.MAKERS,
    other_encoding: shards.MAKERS,
    utf16: TEXTS,
    wrong_columns: (*TEXTS, *PARQUETS),
    wrong_types: PARQUETS,
    long_line: shards.MAKERS,
}
NAMES = {
    "lines": "a\nb: 'x'\r\n",
    "escape codes": "\x1b[31mred\x07",
    "quotes": "'; DROP TABLE x; --\"",
    "a glob": "links[1]*?",
    "an address": "s3:x#y?z=1&",
    "format": "{0}%s%(exc)s{{",
    "right to left": "a\u202egpj.txt",
    "long": "n" * 200,
    "spaces": "  ",
    "a dash": "--json",
}


@pytest.mark.parametrize(
    ("damage", "maker"),
    [(damage, maker) for damage, makers in DAMAGES.items() for maker in makers],
    ids=lambda each: each.__name__,
)
def test_a_broken_dataset(
    damage: Callable[[shards.Made], None], maker: Callable[[Path], shards.Made], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    made = maker(tmp_path / "in")
    damage(made)
    line = refused("import_dataset", str(made.root), "--dataset", "a", "--revision", "1")
    assert made.location.stem.partition(".")[0] in line
    assert nothing_loaded()


@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_dataset_with_a_hostile_name(name: str, ending: str, tmp_path: Path) -> None:
    """Broken, its name is shown fit for a terminal; whole, it is a dataset like any other."""
    file = tmp_path / "in" / (name + ending)
    file.parent.mkdir()
    file.write_bytes(b"\xff\xfe\xfd")
    words = ("import_dataset", str(file), "--dataset", "a", "--revision", "1", "--json")
    refused(*words)
    assert nothing_loaded()

    if ending == ".csv":
        file.write_text("url\nhttps://p.invalid/a.jpg\n")
    else:
        pictures.links(file, [b"a"])
    code, out, err = command(*words)
    assert (code, json.loads(out)["entries"]) == (0, 1), err
    assert Shard.objects.get().location == str(file)


def test_names_that_are_no_text_or_too_long(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.csv")).write_text("url\n")
    words = ("--dataset", "a", "--revision", "1")
    assert "not UTF-8" in refused("import_dataset", str(folder), *words)
    deep = tmp_path
    for _ in range(5):
        deep = deep / ("t" * 220)
    deep.mkdir(parents=True)
    (deep / "x.csv").write_text("url\nhttps://p.invalid/a.jpg\n")
    assert "longer than 1000 characters" in refused("import_dataset", str(deep), *words)
    assert nothing_loaded()


@pytest.mark.django_db(transaction=True)  # the heartbeat is another connection
def test_hostile_values_in_a_dataset_do_not_stop_its_scan(tmp_path: Path) -> None:
    """What can be stored is; what cannot is left out; the entry is flagged all the same."""
    digest = "5ac47d40" * 4
    link = "https://p.invalid/\n\0<script>" + "x" * LONGEST
    table = pa.table(
        {
            "url": [link, "javascript:alert(1)", "", None],
            "caption": ["\0\x1b[31m\u202e" + "y" * LONGEST, "'; DROP TABLE x", "\ufffe", None],
            "key": ["k\0" + "z" * LONGEST, "../../etc/passwd", "", None],
            "md5": [digest, digest.upper(), f" {digest} ", "no digest"],
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    listed = tmp_path / "list.txt"
    listed.write_text(f"{digest}\n")
    load = ("load_hash_list", str(listed), "--list", "a", "--version", "1", "--format", "plain")
    load += ("--algorithm", "md5")
    code, _, err = command(*load)
    assert code == 0, err
    place = str(tmp_path / "x.parquet")
    code, _, err = command("import_dataset", place, "--dataset", "a", "--revision", "1")
    assert code == 0, err

    scan = finish(planning.start(Revision.objects.get(), by=None))

    assert scan.state == Scan.State.FINISHED, scan.error
    assert list(Entry.objects.order_by("row").values_list("row", flat=True)) == [0, 1, 2]
    assert len(Entry.objects.get(row=0).row_key) == 200
    code, out, _ = command("flags", "a@1", "--json")
    assert (code, len(out.splitlines())) == (0, 3)


# --- hash lists ------------------------------------------------------------------------------

GOOD = {name: text.encode() for name, text in test_bad_files.GOOD.items()}
OTHER_FIELDS = {
    "plain": b"bolt 3\nnut 4\n",
    "csv": b"name,price\nbolt,3\n",
    "vics": b'{"value": [{"name": "bolt"}]}',
    "ncmec": b"<order><item>bolt</item></order>",
    "stopncii": b'{"records": [{"name": "bolt"}]}',
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "damage",
    [
        lambda good, form: b"",
        lambda good, form: good[: good.rindex(test_bad_files.LAST[form]) + 9],
        lambda good, form: good[:200] + b"\xe4\xf6" + good[200:],
        lambda good, form: (
            good.decode().encode("utf-16-le") if form != "ncmec" else b"<" + good  # XML tells it
        ),
        lambda good, form: OTHER_FIELDS[form],
        lambda good, form: b"a" * LONG,
        lambda good, form: good + b"a" * LONG,
        lambda good, form: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40,
        lambda good, form: GOOD["ncmec" if form != "ncmec" else "vics"],
    ],
    ids=[
        *("empty", "cut short", "latin-1", "utf-16 without a mark", "other fields"),
        *("one long line", "a long line at the end", "a picture", "another format"),
    ],
)
def test_a_broken_list(format: str, damage: Callable[..., bytes], tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_bytes(damage(GOOD[format], format))
    words = ["load_hash_list", str(file), "--list", "a", "--version", "1", "--format", format]
    if format == "plain":
        words += ["--algorithm", "sha1"]
    for more in ((), ("--dry-run",)):
        assert "Nothing was loaded: " in refused(*words, *more, "--json")
        assert nothing_loaded()


@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
def test_a_list_with_a_hostile_name(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    words = ["load_hash_list", str(file), "--list", "a", "--version", "1", "--format", "csv"]
    file.write_bytes(b"")
    refused(*words)
    assert nothing_loaded()
    file.write_bytes(GOOD["csv"])
    assert command(*words)[0] == 0
    assert sum(KnownBlock.objects.values_list("count", flat=True)) == 50


@pytest.mark.parametrize("text", ["", "{", "[]", '{"columns": 3}', "\xff", "[" * 100_000])
def test_a_broken_profile(text: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(GOOD["csv"])
    (tmp_path / "profile.json").write_bytes(text.encode("latin-1"))
    words = [str(tmp_path / "list.csv"), "--list", "a", "--version", "1", "--format", "csv"]
    refused("load_hash_list", *words, "--profile", str(tmp_path / "profile.json"))
    assert nothing_loaded()


# --- the same as processes ---------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_exit_codes_of_real_processes(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "links.csv"
    broken.write_bytes(b"url\nhttps://p.invalid/a.jpg\n" + b"x" * LONG)
    said = run("import_dataset", str(broken), "--dataset", "a", "--revision", "1", fails=1)
    assert said.count("\n") == 1
    assert "line 3 is longer than 1 MiB" in said
    said = run("load_hash_list", str(broken), *LOAD[2:], "--format", "csv", fails=1)
    assert said.count("\n") == 1
    assert "Nothing was loaded" in said
    assert "usage" in run("scan", "--wait", fails=2)
    assert nothing_loaded()
