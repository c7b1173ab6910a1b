"""A small server of pictures on loopback: two processes that answer from memory, one socket.

It reads no disk, looks nothing up and keeps connections, so that whoever asks is the slower side.
"""

import asyncio
import multiprocessing
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

PROCESSES = 2
BACKLOG = 1024
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"


@contextmanager
def serving(files: Sequence[bytes]) -> Iterator[str]:
    """Serve ``/N.jpg``, N from 0 and again from the first file behind the last; yield
    ``host:port``."""
    forked = multiprocessing.get_context("fork")
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        answers = [HEAD % len(data) + data for data in files]
        processes = [
            forked.Process(target=_serve, args=(listener, answers), daemon=True)
            for _ in range(PROCESSES)
        ]
        for process in processes:
            process.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for process in processes:
                process.terminate()
                process.join()


def _serve(listener: socket.socket, answers: list[bytes]) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Answering(answers), sock=listener
        )
        await server.serve_forever()

    asyncio.run(run())


class _Answering(asyncio.Protocol):
    """One connection: a GET after the other, nothing but the path matters."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head, self._read = self._read[:end], self._read[end + 4 :]
            path = head.split(b" ", 2)[1]
            number = int(path.rpartition(b"/")[2].partition(b".")[0])
            assert isinstance(self._transport, asyncio.WriteTransport)
            self._transport.write(self._answers[number % len(self._answers)])
            if b"connection: close" in head.lower():
                self._transport.close()
