"""The answer to one GET request over HTTP/1.1: status, headers, and the body in pieces.

Nothing more than a download needs. An answer is read in as few steps as it arrives in: each step
lets other threads run, and taking turns would cost more than the reading does.
"""

import re
import socket
from collections.abc import Iterator

from moderation.media.connections import Connection

_FIRST = 16_384  # bytes read at first: the head, and where a body begins
_PIECE = 65_536  # bytes of a body at most that are read where nobody knows how many come
_LONGEST_HEAD = 65_536
_LONGEST_LINE = 4_096  # between the chunks of a body
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\n]*)?\r?\n")
_HEAD_ENDS = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?\r?\n", re.DOTALL)
_NO_BODY = frozenset((204, 304))


class BadAnswer(Exception):
    """What was sent is no answer in HTTP."""


class CutShort(Exception):
    """The connection ended before the body did."""


class Answer:
    """An answer whose head was read. ``headers`` have small letters; of several the first counts.

    ``length`` is the announced one of the body, or None.
    """

    def __init__(self, connection: Connection) -> None:
        self._socket = connection.socket
        # Of a plain connection the system may gather what was asked for before it wakes us.
        self._gather = 0 if connection.secure else socket.MSG_WAITALL
        self._read = b""
        self._at = 0  # so much of what was read is taken
        while True:
            version, self.status, self.headers = self._head()
            if self.status >= 200:
                break
        said = self.headers.get("connection", "").lower()
        self._lasts = "close" not in said if version else "keep-alive" in said
        self._chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
        announced = self.headers.get("content-length", "")
        self.length: int | None = None
        if self.status in _NO_BODY:
            self.length, self._chunked = 0, False
        elif not self._chunked and announced.isascii() and announced.isdecimal():
            self.length = int(announced)
        self._ended = False  # the body was read as it was announced

    @property
    def reusable(self) -> bool:
        """Whether the connection is ready for another request: nothing of this answer is to come,
        and nothing came that does not belong to it."""
        unread = 0 if self._ended else self.length
        return self._lasts and self._waiting == unread  # the little that a failure has to say

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes: something soon, then the rest of what is announced at once.

        Raises CutShort where less comes.
        """
        if self._chunked:
            yield from self._chunks()
        elif self.length is None:
            yield self._taken(self._waiting)
            while piece := self._socket.recv(_PIECE):
                yield piece
        else:
            first = self._taken(self.length)
            if self.length and not first:
                first = self._socket.recv(min(self.length, _FIRST))
            yield first
            yield from self._exactly(self.length - len(first), at_most=self.length)
            self._ended = True

    @property
    def _waiting(self) -> int:
        """How many bytes were read and not taken yet."""
        return len(self._read) - self._at

    def _head(self) -> tuple[int, int, dict[str, str]]:
        """Return version (1.x), status and headers; a line that is no header is passed over."""
        looked = self._at
        while (end := _HEAD_ENDS.search(self._read, looked)) is None:
            if self._waiting > _LONGEST_HEAD:
                raise BadAnswer
            if not self._more():
                raise BadAnswer
            looked = max(0, looked - 3)
        status = _STATUS.match(self._read, self._at)
        if status is None:
            raise BadAnswer
        self._at = end.end()
        headers: dict[str, str] = {}
        for line in self._read[status.end() : end.start()].decode("latin-1").split("\n"):
            name, colon, value = line.partition(":")
            if colon and name[:1] not in " \t":
                headers.setdefault(name.strip().lower(), value.strip())
        return int(status[1]), int(status[2]), headers

    def _more(self) -> bool:
        """Read what is there; False at the end."""
        piece = self._socket.recv(_FIRST)
        self._read, self._at = self._read[self._at :] + piece, 0
        return bool(piece)

    def _taken(self, count: int) -> bytes:
        taken = self._read[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def _exactly(self, count: int, *, at_most: int) -> Iterator[bytes]:
        """Yield ``count`` bytes, ``at_most`` so many at once."""
        while count:
            piece = self._taken(min(count, at_most))
            piece = piece or self._socket.recv(min(count, at_most), self._gather)
            if not piece:
                raise CutShort
            count -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = _CHUNK.fullmatch(self._line())
            if size is None:
                raise BadAnswer
            count = int(size[1], 16)
            if count == 0:
                break
            yield from self._exactly(count, at_most=_PIECE)
            if self._line().strip():
                raise BadAnswer
        while self._line().strip():
            pass  # headers behind the body say nothing that we need
        self._ended = True

    def _line(self) -> bytes:
        """Return the next line with its end."""
        while (end := self._read.find(b"\n", self._at)) < 0:
            if self._waiting > _LONGEST_LINE:
                raise BadAnswer
            if not self._more():
                raise CutShort
        return self._taken(end + 1 - self._at)
