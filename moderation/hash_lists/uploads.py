"""A list's file between its dry run and its loading: kept by digest, read back only unchanged.

The file lies under the data folder, readable by this user alone, and goes as soon as it is loaded,
discarded, or a day old.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from config import env

KEPT_SECONDS = 24 * 3600
NAME = re.compile(r"[0-9a-f]{64}-\d+")


class UploadGone(Exception):
    """The file is no longer here, or no longer what was uploaded: it has to be uploaded again."""


def folder() -> Path:
    """Return the folder of uploads; it is made on first use, for this user alone."""
    place = env.data() / "uploads"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def keep(chunks: Iterable[bytes], *, owner: int) -> str:
    """Write the chunks to disk as they come and return the name to read them back by."""
    forget_old()
    digest = hashlib.sha256()
    with NamedTemporaryFile(dir=folder(), prefix="new-", delete=False) as file:
        try:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
        except BaseException:
            os.unlink(file.name)
            raise
    name = f"{digest.hexdigest()}-{owner}"
    os.replace(file.name, folder() / name)
    return name


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """Open a kept file for reading; its bytes are those that were kept.

    Raises:
        UploadGone: it was loaded, discarded, too old, or changed on the disk.
    """
    if not NAME.fullmatch(name):
        raise UploadGone("that is no name of an uploaded file")
    try:
        file = (folder() / name).open("rb")
    except FileNotFoundError:
        raise UploadGone("the uploaded file is no longer here: upload it again") from None
    with file:
        if hashlib.file_digest(file, "sha256").hexdigest() != name[:64]:
            raise UploadGone("the uploaded file was changed on the disk: upload it again")
        file.seek(0)
        yield file


def discard(name: str) -> None:
    """Delete a kept file; nothing happens when it is gone already."""
    if NAME.fullmatch(name):
        (folder() / name).unlink(missing_ok=True)


def forget_old() -> None:
    """Delete what nobody came back for."""
    for file in folder().iterdir():
        try:
            if time.time() - file.stat().st_mtime > KEPT_SECONDS:
                file.unlink()
        except FileNotFoundError:
            continue  # another process was as tidy
