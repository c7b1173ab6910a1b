"""A tar again, member for member with their headers, without some of them."""

import io
from typing import BinaryIO

from moderation import files
from moderation.datasets.readers import img2dataset, tars
from moderation.datasets.readers.base import refusal

from .digesting import Digesting


def rewrite_tar(location: str, target: str, remove: set[int], keys: set[str] | None) -> str:
    """Copy a tar without the members of ``keys``, or of the samples ``remove``; return SHA-256."""
    if not remove:
        return files.copy(location, target)
    with (
        tars.open_tar(location) as source,
        files.write_atomically(target) as out,
        Digesting(out) as stream,
    ):
        at = 0
        for row, sample in enumerate(img2dataset.samples(source, location)):
            for member in sample.members:
                if member.key in keys if keys is not None else row in remove:
                    _copy_range(source, stream, location, at, member.start)
                    at = member.end
        length = source.seek(0, io.SEEK_END)
        _copy_range(source, stream, location, at, length)
        if length % tars.RECORD == 0:
            stream.write(b"\0" * (-stream.tell() % tars.RECORD))
    return stream.hexdigest()


def _copy_range(source: BinaryIO, stream: "Digesting", location: str, begin: int, end: int) -> None:
    source.seek(begin)
    while begin < end:
        chunk = source.read(min(files.CHUNK, end - begin))
        if not chunk:
            raise refusal(location, "the tar is broken or cut short; copy it again")
        stream.write(chunk)
        begin += len(chunk)
