"""Every form of dataset: scanned, confirmed by two people, cleaned, read again by other means than
our own, and verified gone in the next revision."""

import csv
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError
from django.utils import timezone
from pytest_django import Settings

from moderation.datasets import manifests
from moderation.datasets.registering import register
from moderation.models import Case, CustodyEvent, Receipt, Removal, Revision, Scan
from moderation.scanning import fetching, planning
from sample.server import PictureServer
from tests.moderation.review.making import settled
from tests.moderation.scanning.conftest import finish

from .conftest import Run

pytestmark = pytest.mark.django_db(transaction=True)

FORMS = (
    *("laion5b", "laion400m", "csv", "jsonl", "images"),
    *("img2dataset_files", "img2dataset_webdataset", "img2dataset_parquet"),
)
WITH_LINKS = ("laion5b", "laion400m", "csv", "jsonl")
Rows = dict[str, set[int]]  # name of a shard to the rows that go


@dataclass
class Cleaning:
    """A revision with confirmed removals, the files it is made of, and its manifest."""

    name: str
    source: Path
    paths: list[str]
    revision: Revision
    removed: Rows
    manifest: Path
    kept: set[int] = field(default_factory=set)


Clean = Callable[[str], Cleaning]


@pytest.fixture
def clean(
    run: Run,
    load_lists: Callable[..., list[Any]],
    moved: Path,
    sample_folder: Path,
    truth: dict[str, Any],
    reviewer: User,
    second_reviewer: User,
    settings: Settings,
    pictures: PictureServer,
    tmp_path: Path,
) -> Clean:
    """Scan one form of the sample and confirm every case but one; list what is confirmed."""
    settings.FETCH_ALLOW_ADDRESSES = [f"127.0.0.1:{pictures.port}"]

    def make(name: str) -> Cleaning:
        load_lists("1")
        root = moved if name in WITH_LINKS else sample_folder
        paths = [str(root / path) for path in truth["datasets"][name]["paths"]]
        source = Path(paths[0]) if Path(paths[0]).is_dir() else Path(paths[0]).parent
        revision = register(paths, dataset=name, revision="v1", by=None).revision
        fetch = name == "laion400m"  # has no column of digests: its links are opened
        if fetch:
            until = timezone.now() + timedelta(days=1)
            fetching.switch_on(basis="test", officer="T. Ester", until=until, by=None)
        assert finish(planning.start(revision, by=None, fetch=fetch)).state == Scan.State.FINISHED
        spared, *cases = Case.objects.order_by("pk")
        assert len(cases) > 4
        for case in cases:
            assert settled(case, reviewer, "REMOVE_KNOWN").state == Case.State.PROPOSED
            assert settled(case, second_reviewer, "REMOVE_KNOWN").state == Case.State.CLOSED
        removed: Rows = {}
        for removal in Removal.objects.select_related("entry__shard"):
            removed.setdefault(removal.entry.shard.name, set()).add(removal.entry.row)
        manifest = tmp_path / "manifest.jsonl"
        built = run("build_manifest", f"{name}@v1", "--out", str(manifest), here=True)
        assert built == {"manifest": str(manifest), "lines": Removal.objects.count()}
        assert Removal.objects.count() == sum(map(len, removed.values()))
        kept = set(spared.flags.values_list("entry", flat=True))
        return Cleaning(name, source, paths, revision, removed, manifest, kept)

    return make


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def records(text: bytes) -> list[bytes]:
    """The records of a CSV as bytes; one with a line end in quotes is several lines."""
    lines = text.splitlines(keepends=True)
    reader, found, at = csv.reader(io.StringIO(text.decode(), newline="")), [], 0
    for _ in reader:
        found.append(b"".join(lines[at : reader.line_num]))
        at = reader.line_num
    return found


def without(items: list[Any], rows: set[int], *, head: int = 0) -> list[Any]:
    return [item for at, item in enumerate(items, -head) if at not in rows]


def same_parquet(source: Path, made: Path, rows: set[int]) -> None:
    """Row for row, and all that is said about the rows."""
    before, after = pq.ParquetFile(source), pq.ParquetFile(made)
    assert after.read().to_pylist() == without(before.read().to_pylist(), rows)
    assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
    assert after.num_row_groups == before.num_row_groups
    assert compressions(after) == compressions(before)


def compressions(file: pq.ParquetFile) -> set[tuple[str, str]]:
    groups = [file.metadata.row_group(n) for n in range(file.num_row_groups)]
    columns = [group.column(n) for group in groups for n in range(group.num_columns)]
    return {(column.path_in_schema, column.compression) for column in columns}


def same_text(source: Path, made: Path, rows: set[int]) -> None:
    """Byte for byte."""
    data = source.read_bytes()
    if source.suffix == ".csv":
        left = without(records(data), rows, head=1)
    else:
        left = without(data.splitlines(keepends=True), rows)
    assert made.read_bytes() == b"".join(left)


def keys_of(sidecar: Path, rows: set[int]) -> set[str]:
    keys = pq.read_table(sidecar, columns=["key"]).column("key").to_pylist()
    return {keys[row] for row in rows}


def same_statistics(source: Path, made: Path, sidecar: Path, rows: set[int]) -> None:
    """The counts less what is gone, by its status; all else as it was."""
    before, after = json.loads(source.read_bytes()), json.loads(made.read_bytes())
    status = pq.read_table(sidecar, columns=["status"]).column("status").to_pylist()
    gone = [status[row] for row in rows]
    assert after["count"] == before["count"] - len(rows)
    assert after["successes"] == before["successes"] - gone.count("success")
    for name in ("failed_to_download", "failed_to_resize"):
        assert after[name] == before[name] - gone.count(name)
    assert sum(after["status_dict"].values()) == after["count"]
    for name in ("duration", "start_time", "end_time"):
        assert after[name] == before[name]


def same_pictures(source: Path, made: Path, gone: set[str]) -> None:
    """A folder of picture, text and JSON files, named by the key of their row."""
    before, after = tree(source), tree(made)
    assert after == {name: data for name, data in before.items() if name.split(".")[0] not in gone}
    assert len(after) < len(before)


def same_tar(source: Path, made: Path, gone: set[str]) -> None:
    """Member for member: header fields and bytes, in the same order."""
    assert members(made) == [each for each in members(source) if each[0].split(".")[0] not in gone]


def members(path: Path) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    with tarfile.open(path) as tar:
        for member in tar:
            held = tar.extractfile(member)
            data = held.read() if held else None
            where = (member.name, member.type, member.mode, member.mtime, member.uid, member.gid)
            found.append((*where, member.uname, member.gname, data))
    return found


def check(cleaning: Cleaning, out: Path) -> None:
    """Compare every file with its source, by means of our own in nothing."""
    compared = set()
    for source in sorted(cleaning.source.iterdir()):
        made, name = out / source.name, source.name
        compared.add(name)
        stem = name.partition(".")[0].removesuffix("_stats")
        sidecar = cleaning.source / f"{stem}.parquet"
        rows = cleaning.removed.get(f"{stem}.tar") or cleaning.removed.get(
            f"{stem}.parquet", cleaning.removed.get(name, set())
        )
        if source.is_dir():
            same_pictures(source, made, keys_of(sidecar, rows))
        elif source.suffix == ".tar":
            same_tar(source, made, keys_of(sidecar, rows))
        elif name.endswith("_stats.json"):
            same_statistics(source, made, sidecar, rows)
        elif source.suffix == ".parquet":
            same_parquet(source, made, rows)
        else:
            same_text(source, made, rows)
        if not rows and source.is_file():
            assert made.read_bytes() == source.read_bytes()
    assert {path.name for path in out.iterdir()} == compared


@pytest.mark.parametrize("name", FORMS)
def test_what_is_confirmed_goes_and_nothing_else(
    name: str, clean: Clean, run: Run, tmp_path: Path
) -> None:
    cleaning = clean(name)
    before, lines = tree(cleaning.source), Removal.objects.count()
    out = tmp_path / "out"
    apply = ["apply_manifest", str(cleaning.manifest), *cleaning.paths, "--out"]
    with pytest.raises(CommandError, match=f"{lines} listed entries still stand"):
        run("verify_manifest", str(cleaning.manifest), *cleaning.paths, here=True)

    applied = run(*apply, str(out), here=True)

    rows = sum(cleaning.revision.shards.values_list("rows", flat=True))
    assert applied.pop("checksums").keys() == tree(out).keys()
    assert applied == {"rows_in": rows, "rows_out": rows - lines, "removed": lines}
    assert tree(cleaning.source) == before
    check(cleaning, out)

    first = tree(out)
    run(*apply, str(out), here=True)
    run(*apply, str(tmp_path / "again"), here=True)
    assert tree(out) == tree(tmp_path / "again") == first
    assert Receipt.objects.filter(removed=lines).count() == 2  # none for the same result again

    verify = ["verify_manifest", str(cleaning.manifest), str(out)]
    assert run(*verify, here=True)["verified"] == 0  # nobody has scanned it yet
    following = register([str(out)], dataset=name, revision="v2", by=None).revision
    assert finish(planning.start(following, by=None)).state == Scan.State.FINISHED
    assert run(*verify, here=True) == {
        "manifest": str(cleaning.manifest),
        "lines": lines,
        "verified": lines,
    }
    assert set(Removal.objects.values_list("state", "verified_in")) == {
        (Removal.State.VERIFIED, following.pk)
    }
    assert CustodyEvent.objects.filter(action="removal_verified").count() == lines
    assert CustodyEvent.objects.check_chain().intact
    if name != "laion400m":  # of that one the hashes came from its links, which were not opened now
        assert following.entries.count() == len(cleaning.kept)


def test_what_cannot_be_applied_is_refused(
    clean: Clean, run: Run, moved: Path, sample_folder: Path, tmp_path: Path
) -> None:
    """One line, exit code 1, and nothing is written."""
    cleaning = clean("csv")
    source, out = cleaning.source, tmp_path / "out"
    before = tree(source)
    data = cleaning.manifest.read_bytes()
    changed = tmp_path / "changed"
    changed.mkdir()
    for each in source.iterdir():
        (changed / each.name).write_bytes(each.read_bytes() + b"\n")
    signer = "--key", "ab" * 32

    def refused(manifest: bytes, *paths: Path, to: Path = out, words: tuple[str, ...] = ()) -> str:
        file = tmp_path / "given.jsonl"
        file.write_bytes(manifest)
        asked = ["apply_manifest", str(file), *map(str, paths), "--out", str(to), *words]
        with pytest.raises(CommandError) as caught:
            run(*asked, here=True)
        assert caught.value.returncode == 1
        said = str(caught.value)
        assert said.isprintable()
        assert not out.exists()
        assert tree(source) == before
        return said

    line = data.splitlines(keepends=True)[1]
    for tampered in (
        data.replace(line, b"", 1),
        data.replace(b'"row":', b'"row":1', 1),
        data.replace(line, line + line, 1),
        data[1:],
    ):
        assert refused(tampered, source) == "The manifest was changed after it was signed."
    for torn in (b"", b"{}", data[: len(data) // 2], b"\xff" * 100, b"[" * 100_000, b"null\n" * 3):
        assert "no manifest, or its end is missing" in refused(torn, source)
    for nonsense in ({}, {"shards": 5}, {"shards": [{}]}, {"columns": 5}, {"shards": [[]]}):
        head = {"columns": {}, "shards": [], **nonsense}
        signed = manifests.write(head, [manifests.Line(0, 0, "")], signing_key="44" * 32)
        refused(signed, source)
    assert "another key" in refused(data, source, words=signer)
    assert "links-00.jsonl: " in refused(data, moved / "jsonl")
    assert "is not a shard of this manifest" in refused(data, changed)
    assert "not a shard" in refused(data, source, sample_folder / "csv")  # of another address
    assert "links-01.csv" in refused(data, source / "links-00.csv")
    assert "nowhere" in refused(data, tmp_path / "nowhere")
    assert "folder elsewhere" in refused(data, source, to=source)
    assert "folder elsewhere" in refused(data, source, to=source / "clean")
    assert "folder elsewhere" in refused(data, *source.iterdir(), to=source)
    (tmp_path / "link").symlink_to(source)
    assert "folder elsewhere" in refused(data, source, to=tmp_path / "link" / "clean")
    refused(data, source, to=cleaning.manifest)  # a file
    assert cleaning.manifest.read_bytes() == data
    assert Receipt.objects.count() == 0

    other = tmp_path / "other.jsonl"
    other.write_bytes(data.replace(b'"row":', b'"row":1', 1))
    said = run("apply_manifest", str(other), str(source), "--out", str(out), fails=1)
    assert said == "The manifest was changed after it was signed.\n"
    assert run("verify_manifest", str(other), fails=1) == said


def test_shards_that_are_equal_to_the_byte_are_cleaned_alike(tmp_path: Path) -> None:
    text = b"url\nhttps://p.invalid/a.jpg\nhttps://p.invalid/b.jpg\n"
    shards = []
    for number, folder in enumerate(("one", "two")):
        (tmp_path / "in" / folder).mkdir(parents=True)
        (tmp_path / "in" / folder / "links.csv").write_bytes(text)
        digest = hashlib.sha256(text).hexdigest()
        shards.append({"number": number, "name": "links.csv", "rows": 2, "sha256": digest})
        shards[-1] |= {"form": "links_csv", "columns": {"url": "url"}}
    head = {"columns": {"url": "url"}, "shards": shards}
    lines = [manifests.Line(number, 1, "") for number in range(2)]
    file = tmp_path / "manifest.jsonl"
    file.write_bytes(manifests.write(head, lines, signing_key="33" * 32))
    manifest = manifests.read(str(file))

    assert manifests.still_present(manifest, [str(tmp_path / "in")]) == 2
    applied = manifests.apply(manifest, [str(tmp_path / "in")], out=str(tmp_path / "out"))

    left = b"url\nhttps://p.invalid/a.jpg\n"
    assert tree(tmp_path / "out") == {"one/links.csv": left, "two/links.csv": left}
    assert (applied.rows_in, applied.rows_out, applied.removed) == (4, 2, 2)
