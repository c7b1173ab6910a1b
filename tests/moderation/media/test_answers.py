"""Answers over HTTP as they arrive, whole, in bits, or not as they should."""

import socket
import threading

import pytest

from moderation.media.answers import Answer, BadAnswer, CutShort
from moderation.media.connections import Connection, Site

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def answer():
    """Return the answer that a server gives by sending some bytes and hanging up."""
    opened = []

    def given(sent):
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.sendall(sent)
        opened.append(Connection(Site("http", "example.invalid", 80, loopback=False), ours))
        return Answer(opened[-1])

    yield given
    for connection in opened:
        connection.close()


def body(answer):
    return b"".join(answer.pieces())


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (HEAD + b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (HEAD + b"content-length:5\r\n\r\nhello, and more", b"hello"),
        (HEAD + b"\r\nuntil the end", b"until the end"),
        (HEAD + b"Content-Length: five\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200\nX: y\n\nbare line ends", b"bare line ends"),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
            b"hello",
        ),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", b""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD + b"\r\nlate", b"late"),
        (b"HTTP/1.1 204 No Content\r\n\r\nnot a body", b""),
    ],
)
def test_a_body_ends_where_it_was_said_to(answer, sent, expected):
    assert body(answer(sent)) == expected


def test_a_head_in_many_packets_is_one_head():
    ours, theirs = socket.socketpair()
    connection = Connection(Site("http", "example.invalid", 80, loopback=False), ours)
    sent = HEAD + b"Content-Length: 300000\r\n\r\n" + bytes(300_000)

    def drip():
        with theirs:
            for at in range(60):
                theirs.sendall(sent[at : at + 1])
            theirs.sendall(sent[60:])

    thread = threading.Thread(target=drip)
    thread.start()
    found = Answer(connection)
    assert found.length == 300_000
    assert body(found) == bytes(300_000)
    thread.join()
    connection.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX: y\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        HEAD + b"X: " + b"a" * 100_000,
    ],
)
def test_what_is_no_answer_is_refused(answer, sent):
    with pytest.raises(BadAnswer):
        answer(sent)


@pytest.mark.parametrize(
    ("framing", "error"),
    [
        (b"Content-Length: 9\r\n\r\nhello", CutShort),
        (b"Transfer-Encoding: chunked\r\n\r\n9\r\nhello", CutShort),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", CutShort),
        (b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n", BadAnswer),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello and\r\n", BadAnswer),
        (b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 100_000, BadAnswer),
    ],
)
def test_a_body_that_ends_otherwise_is_refused(answer, framing, error):
    found = answer(HEAD + framing)
    with pytest.raises(error):
        body(found)


@pytest.mark.parametrize(
    ("sent", "reusable"),
    [
        (HEAD + b"Content-Length: 5\r\n\r\nhello", True),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", True),
        (HEAD + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\nhello", True),
        (HEAD + b"\r\nhello", False),
        (HEAD + b"Content-Length: 5\r\n\r\nhello, and more", False),
    ],
)
def test_a_connection_serves_again_when_nothing_is_left_on_it(answer, sent, reusable):
    found = answer(sent)
    body(found)
    assert found.reusable is reusable


@pytest.mark.parametrize(("sent", "reusable"), [(b"gone!", True), (b"gone", False)])
def test_what_nobody_read_is_over_if_it_is_here(answer, sent, reusable):
    assert answer(b"HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n" + sent).reusable is reusable
