"""Hashing in a process of its own: a file that hangs it or kills it fails the test by name."""

import hashlib
import multiprocessing
import warnings
from multiprocessing.connection import Connection
from typing import Any

import pytest

from moderation.media.decode import PictureError, mute_pillow
from moderation.media.hashing import PictureHashes, hash_picture
from moderation.outcomes import REASONS, Outcome
from tests.moderation.media.drawing import encoded, scene

SECONDS = 60  # for one file; far more than any needs, so that a busy machine fails nothing
START_SECONDS = 300  # to compile where nothing is in the cache


class Watched:
    """Asks a process about files, one after another; another one where the first was lost."""

    def __init__(self) -> None:
        self._start()

    def outcome(self, data: bytes, **options: Any) -> PictureHashes | str:
        """Return the hashes of a file, or the reason why there are none.

        Whatever else is raised there, a warning, a death or more than SECONDS fail the test.
        """
        self._pipe.send((data, options))
        if not self._pipe.poll(SECONDS):
            self.end()
            self._start()
            pytest.fail(f"more than {SECONDS} s for {_shown(data, options)}")
        try:
            found, error, warned = self._pipe.recv()
        except EOFError:
            self._start()
            pytest.fail(f"the process died of {_shown(data, options)}")
        assert error is None, f"{error} of {_shown(data, options)}"
        assert warned == [], f"warnings of {_shown(data, options)}"
        if isinstance(found, str):
            assert REASONS[found] is Outcome.FAILED
        else:
            assert isinstance(found, PictureHashes)
        return found

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _start(self) -> None:
        apart = multiprocessing.get_context("spawn")
        self._pipe, theirs = apart.Pipe()
        self._process = apart.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        if not self._pipe.poll(START_SECONDS):
            pytest.fail("the process that hashes does not start")
        assert self._pipe.recv() == "ready"


def _serve(pipe: Connection) -> None:
    for exact in (True, False):
        hash_picture(encoded(scene(600, 500), "JPEG"), exact=exact)
    pipe.send("ready")
    while True:
        data, options = pipe.recv()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            mute_pillow()
            pipe.send((*_asked(data, options), [str(each.message) for each in caught]))


def _asked(data: bytes, options: dict[str, Any]) -> tuple[PictureHashes | str | None, str | None]:
    try:
        return hash_picture(data, **options), None
    except PictureError as error:
        return error.reason, None
    except Exception as error:
        return None, repr(error)


def _shown(data: bytes, options: dict[str, Any]) -> str:
    """Say which file it is; tests make the same ones each time."""
    return f"{len(data)} bytes ({hashlib.sha256(data).hexdigest()[:16]}) with {options}"
