"""Connections: only to addresses that were checked, kept for the same site, not without end."""

import socket

import pytest

from moderation.media import connections
from moderation.media.connections import AddressRefused, Connection, Connections, Site
from moderation.media.deadline import Watch

SITE = Site("http", "pictures.example.invalid", 80, loopback=False)


@pytest.fixture
def kept():
    found = Connections()
    yield found
    found.close()


@pytest.fixture
def made():
    """Make connections to nobody."""
    far = []

    def make(site=SITE):
        ours, theirs = socket.socketpair()
        far.append(theirs)
        return Connection(site, ours)

    yield make
    for each in far:
        each.close()


def test_a_connection_goes_to_its_own_site_alone(kept, made):
    connection = made()
    kept.keep(connection)
    for other in (
        SITE._replace(scheme="https"),
        SITE._replace(host="example.invalid"),
        SITE._replace(port=8080),
        SITE._replace(loopback=True),
    ):
        assert kept.take(other) is None
    assert kept.take(SITE) is connection
    assert kept.take(SITE) is None


def test_those_that_nobody_asked_for_make_room(kept, made, monkeypatch):
    monkeypatch.setattr(connections, "_MOST_IDLE", 2)
    sites = [SITE._replace(port=port) for port in (81, 82, 83)]
    first, second, third = (made(site) for site in sites)
    for each in (first, second, third):
        kept.keep(each)
    assert first.socket.fileno() == -1
    assert [kept.take(site) for site in sites] == [None, second, third]
    second.close()
    third.close()


def test_nothing_is_kept_when_all_is_over(kept, made):
    early, late = made(), made()
    kept.keep(early)
    kept.close()
    kept.keep(late)
    assert (early.socket.fileno(), late.socket.fileno()) == (-1, -1)


@pytest.mark.parametrize(
    "addresses", [("10.0.0.1",), ("8.8.8.8", "10.0.0.1"), ("::ffff:10.0.0.1",), ("fe80::1%lo",), ()]
)
@pytest.mark.parametrize("loopback", [True, False])
def test_one_refused_address_speaks_against_the_name(kept, monkeypatch, addresses, loopback):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket.socket, "connect", pytest.fail)
    watch = Watch()
    with watch.exchange(5) as exchange, pytest.raises(AddressRefused):
        kept.open(SITE._replace(loopback=loopback), exchange, seconds=1)
    watch.close()


def test_the_next_address_is_tried_where_one_does_not_answer(kept, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as closed:
        closed.bind(("127.0.0.2", server.getsockname()[1]))  # bound, and nobody listens
        port = server.getsockname()[1]
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in ("127.0.0.2", "127.0.0.1")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        watch = Watch()
        with watch.exchange(5) as exchange:
            site = SITE._replace(port=port, loopback=True)
            connection = kept.open(site, exchange, seconds=1)
            assert connection.socket.getpeername() == ("127.0.0.1", port)
            exchange.leave()
            connection.close()
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found[:1])
            with pytest.raises(ConnectionRefusedError):
                kept.open(site, exchange, seconds=1)
        watch.close()
