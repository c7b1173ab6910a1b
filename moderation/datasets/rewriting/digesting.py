"""A stream that knows the SHA-256 of what went through it."""

import hashlib
import io
from typing import Any, BinaryIO


class Digesting(io.RawIOBase):
    """A stream that passes on what is written and keeps the SHA-256 of it."""

    def __init__(self, out: BinaryIO) -> None:
        super().__init__()
        self._out = out
        self._digest = hashlib.sha256()
        self._length = 0

    def writable(self) -> bool:
        """Say that this stream is for writing."""
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._length

    def write(self, data: Any, /) -> int:
        """Write the whole of ``data``."""
        self._out.write(data)
        self._digest.update(data)
        self._length += memoryview(data).nbytes
        return memoryview(data).nbytes

    def hexdigest(self) -> str:
        """Return the SHA-256 of all that was written."""
        return self._digest.hexdigest()
