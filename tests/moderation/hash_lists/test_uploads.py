"""Uploaded lists between dry run and loading: by digest, for one person, for one day."""

import hashlib
import os
import time

import pytest

from moderation.hash_lists import uploads


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads.env, "data", lambda: tmp_path)
    return tmp_path / "uploads"


def test_what_is_kept_comes_back(folder):
    name = uploads.keep(iter([b"one", b"two"]), owner=7)
    assert name == f"{hashlib.sha256(b'onetwo').hexdigest()}-7"
    with uploads.opened(name) as file:
        assert file.read() == b"onetwo"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / name).stat().st_mode & 0o777 == 0o600


def test_a_break_leaves_nothing(folder):
    def chunks():
        yield b"one"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        uploads.keep(chunks(), owner=7)
    assert list(folder.iterdir()) == []


def test_two_people_with_the_same_file_do_not_share_it():
    first, second = uploads.keep([b"x"], owner=1), uploads.keep([b"x"], owner=2)
    uploads.discard(first)
    with uploads.opened(second) as file:
        assert file.read() == b"x"


def test_changed_bytes_are_refused(folder):
    name = uploads.keep([b"x"], owner=1)
    (folder / name).write_bytes(b"y")
    with pytest.raises(uploads.UploadGone, match="changed on the disk"), uploads.opened(name):
        pass


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 64, "A" * 64 + "-1", "x\n"])
def test_only_our_own_names_are_opened(name):
    with pytest.raises(uploads.UploadGone), uploads.opened(name):
        pass
    uploads.discard(name)


def test_after_a_day_it_is_gone(folder):
    name = uploads.keep([b"x"], owner=1)
    old = time.time() - uploads.KEPT_SECONDS - 1
    os.utime(folder / name, (old, old))
    other = uploads.keep([b"y"], owner=1)
    assert [file.name for file in folder.iterdir()] == [other]
    with pytest.raises(uploads.UploadGone, match="upload it again"), uploads.opened(name):
        pass


def test_discarding_twice_is_once():
    name = uploads.keep([b"x"], owner=1)
    uploads.discard(name)
    uploads.discard(name)
