"""Places where files lie: local and S3 alike, written as a whole or not at all."""

import errno
import hashlib
import os
from pathlib import Path
from unittest import mock

import pytest

from moderation import files
from moderation.files import LocationError
from tests.moderation.datasets.s3 import bucket  # noqa: F401  # a fixture


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path)
    return files.join(request.getfixturevalue("bucket"), request.node.name.replace("[", "-")[:40])


def write(location: str, data: bytes) -> None:
    with files.write_atomically(location) as stream:
        stream.write(data)


def read(location: str) -> bytes:
    with files.open_input(location) as stream:
        return bytes(stream.read())


def test_what_is_written_is_read_back(root: str) -> None:
    place = files.join(root, "a folder", "näme #1?.bin")
    assert not files.exists(place)
    write(place, b"x" * 3_000_000)
    assert files.exists(place)
    assert files.size(place) == 3_000_000
    assert files.sha256(place) == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    assert files.name_of(place) == "näme #1?.bin"
    write(place, b"second")
    assert read(place) == b"second"
    with files.open_input(place) as stream:
        stream.seek(3)
        assert stream.read() == b"ond"
    assert files.beside(place, "other") == files.join(root, "a folder", "other")
    files.delete(place)
    assert not files.exists(place)
    files.delete(place)


@pytest.mark.parametrize("size", [10, 12_000_000])
@pytest.mark.parametrize("before", [None, b"as it was"])
def test_nothing_remains_of_a_write_that_fails(root: str, size: int, before: bytes | None) -> None:
    place = files.join(root, f"{size}", "x.bin")
    if before is not None:
        write(place, before)

    def failing() -> None:
        with files.write_atomically(place) as stream:
            stream.write(b"x" * size)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing()
    if before is None:
        assert not files.exists(place)
    else:
        assert read(place) == before
    path = files.local_path(place)
    if path is not None:
        assert os.listdir(os.path.dirname(path)) == ([] if before is None else ["x.bin"])


def test_expand_names_files_folders_and_globs(root: str) -> None:
    names = ["a.csv", "b.csv", "deep/c.csv", "deep/er/d.txt", ".hidden/e.csv", "deep/.f.part"]
    places = {name: files.join(root, name) for name in names}
    for place in places.values():
        write(place, b"1")
    shown = [places[n] for n in ("a.csv", "b.csv", "deep/c.csv", "deep/er/d.txt")]
    assert files.expand([root]) == shown
    assert files.expand([places["b.csv"], places["a.csv"], places["a.csv"]]) == shown[:2]
    glob, mark, options = root.partition("?")
    assert files.expand([f"{glob}/*.csv{mark}{options}"]) == shown[:2]
    assert files.expand([f"{glob}/**/*.csv{mark}{options}"]) == shown[:3]
    assert files.expand([root], enter=lambda name, siblings: name != "er") == shown[:3]
    with pytest.raises(LocationError, match="no such file"):
        files.expand([f"{glob}/*.parquet{mark}{options}"])
    with pytest.raises(LocationError, match="no such file"):
        files.expand([files.join(root, "nowhere")])


def test_copy_returns_the_digest_of_what_it_copied(root: str) -> None:
    source, target = files.join(root, "source"), files.join(root, "to", "target")
    write(source, b"abc" * 1_000_000)
    assert files.copy(source, target) == files.sha256(source)
    assert read(target) == read(source)
    assert files.same_place(source, source)
    assert not files.same_place(source, target)
    assert files.is_within(target, root)
    assert not files.is_within(root, target)


def test_a_folder_deleted_is_gone_with_all_in_it(root: str) -> None:
    write(files.join(root, "folder", "a", "b"), b"1")
    files.delete(files.join(root, "folder"))
    assert not files.exists(files.join(root, "folder", "a", "b"))


def test_file_urls_are_decoded(tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(b"1")
    assert read(f"file://{tmp_path}/a%20b") == b"1"


def test_a_missing_file_is_one_clear_line(root: str) -> None:
    with pytest.raises(LocationError, match="cannot open it: No such file") as caught:
        files.open_input(files.join(root, "none"))
    assert "\n" not in str(caught.value)
    with pytest.raises(LocationError, match="no such file"):
        files.size(files.join(root, "none"))


@pytest.mark.parametrize("location", ["ftp://host/x", "gs://bucket/x", "a\0b", "s3://"])
def test_a_place_that_cannot_be_is_refused(location: str) -> None:
    with pytest.raises(LocationError) as caught:
        files.open_input(location)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("part", ["../x", "a/../../x", "/etc/passwd", "a\0b"])
def test_a_part_that_leads_out_is_refused(part: str) -> None:
    for place in ("/data", "s3://bucket/data"):
        with pytest.raises(ValueError, match="lead out"):
            files.join(place, part)


def test_messages_hide_credentials_and_control_characters() -> None:
    assert files.shown("s3://key:secret@bucket/a\nb?token=x") == "s3://bucket/a\\nb"


def test_pipes_and_folders_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path):
        with pytest.raises(LocationError, match="not a file"):
            files.open_input(str(place))


def test_a_name_that_is_not_utf8_is_one_clear_line(tmp_path: Path) -> None:
    with open(os.fsencode(str(tmp_path)) + b"/\xff.csv", "wb"):
        pass
    with pytest.raises(LocationError, match="not UTF-8"):
        files.expand([str(tmp_path)])


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    place = str(tmp_path / "x")

    def filling() -> None:
        with files.write_atomically(place):
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(LocationError, match="No space left"):
        filling()
    with (
        mock.patch("os.fsync", side_effect=OSError(errno.ENOSPC, "full")),
        pytest.raises(LocationError, match="No space left"),
    ):
        write(place, b"1")
    assert os.listdir(tmp_path) == []


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"1")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a" / "x")
    assert files.expand([str(tmp_path)]) == [str(tmp_path / "a" / "x"), str(tmp_path / "b")]


def modes(root: Path) -> dict[str, int]:
    return {str(p.relative_to(root)): p.stat().st_mode & 0o777 for p in root.rglob("*")}


def test_private_files_are_for_their_own_user_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with files.write_atomically(str(tmp_path / "a/b/private"), private=True) as stream:
            stream.write(b"x")
        write(str(tmp_path / "c/d/open"), b"x")
        write(str(tmp_path / "a/b/open"), b"x")
    finally:
        os.umask(before)
    assert modes(tmp_path) == {
        "a": 0o700,
        "a/b": 0o700,
        "a/b/private": 0o600,
        "a/b/open": 0o644,
        "c": 0o755,
        "c/d": 0o755,
        "c/d/open": 0o644,
    }


def test_a_file_in_the_way_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(LocationError, match="cannot write"):
        write(str(tmp_path / "a/b"), b"x")
