"""Fetching over loopback: each way to fail has its one reason, and nothing lasts or leaks."""

import logging
import re
import socket
import ssl
import threading
import time
import traceback
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import formatdate
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies

from moderation.media import addresses
from moderation.media.fetch import Fetcher, FetchFailed, FetchLimits, retry_after
from moderation.media.room import Room, RoomClosed
from moderation.outcomes import REASONS
from tests.moderation.media.server import PICTURE, STATUSES, running, seconds_since

MAX_BYTES = 1_000_000


@pytest.fixture(scope="module")
def server():
    with running() as found:
        yield found


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch):
    """No test asks a name server or leaves the machine; unknown names do not exist."""
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def known(host, *args, **kwargs):
        if host == "inside.example.invalid":
            host = "10.1.2.3"
        if host == "busy.example.invalid":
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        if host.endswith("example.invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "no such host")
        return look_up(host, *args, **kwargs)

    def on_loopback(self, address):
        assert address[0] in ("127.0.0.1", "::1"), address
        return connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", known)
    monkeypatch.setattr(socket.socket, "connect", on_loopback)


@pytest.fixture(scope="module")
def fetcher():
    with Fetcher() as found:
        yield found


@pytest.fixture
def limits(server):
    return FetchLimits(
        connect_seconds=2,
        total_seconds=5,
        max_bytes=MAX_BYTES,
        max_redirects=3,
        allow_addresses=(server.address,),
    )


@pytest.fixture
def get(server, fetcher, limits):
    """Fetch a path of the server, with limits changed by name."""

    def fetch(path, **changed):
        url = path if ":" in path else f"http://{server.address}/{path}"
        return fetcher.fetch(url, FetchLimits(**{**vars(limits), **changed}))

    return fetch


@pytest.fixture
def failure(get):
    """Return reason and status of a fetch that must fail."""

    def fetch(path, **changed):
        with pytest.raises(FetchFailed) as caught:
            get(path, **changed)
        assert caught.value.reason in REASONS
        return caught.value.reason, caught.value.http_status

    return fetch


@pytest.mark.parametrize(
    "path", ["picture", "picture-named-text", "chunked", "gzipped", "to-picture", "hops-2"]
)
def test_a_picture_is_fetched(get, path):
    fetched = get(path)
    assert fetched.data == PICTURE
    assert fetched.http_status == 200


def test_says_where_the_picture_was_in_the_end_and_what_the_server_called_it(get, server):
    fetched = get("to-picture")
    assert fetched.final_url == f"http://{server.address}/picture"
    assert fetched.content_type == "image/jpeg"


def test_a_location_in_utf8_is_followed(get):
    assert get("to-picture-utf8").final_url.endswith("/picture?q=%C3%BC")


@pytest.mark.parametrize("status", STATUSES)
def test_statuses_have_their_reasons(failure, status):
    own = {401, 403, 404, 410, 429, 451}
    expected = f"http_{status}" if status in own else "http_other"
    if status in (400, 418):
        expected = "http_4xx"
    if status >= 500:
        expected = "http_5xx"
    assert failure(str(status)) == (expected, status)


@pytest.mark.parametrize(
    ("path", "reason", "status"),
    [
        ("page-named-picture", "not_a_picture", 200),
        ("short-page", "not_a_picture", 200),
        ("nothing", "not_a_picture", 200),
        ("large", "too_many_bytes", 200),
        ("large-unannounced", "too_many_bytes", 200),
        ("endless", "too_many_bytes", 200),
        ("gzip-bomb", "too_many_bytes", 200),
        ("broken-gzip", "undecodable", 200),
        ("cut", "truncated", 200),
        ("cut-chunks", "truncated", 200),
        ("hang-up", "connection", None),
        ("no-http", "connection", None),
        ("to-private", "address_refused", 302),
        ("to-metadata", "address_refused", 302),
        ("to-other-port", "address_refused", 302),
        ("to-credentials", "address_refused", 302),
        ("to-file", "scheme_refused", 302),
        ("to-itself", "too_many_redirects", 302),
        ("hops-3", "too_many_redirects", 302),
        ("to-no-host", "redirect_to_nowhere", 302),
        ("to-bad-url", "redirect_to_nowhere", 302),
        ("to-nothing", "redirect_to_nowhere", 302),
        ("to-gone", "http_404", 404),
    ],
)
def test_what_goes_wrong_has_its_one_reason(failure, path, reason, status):
    assert failure(path) == (reason, status)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.invalid/a.jpg", "scheme_refused"),
        ("file:///etc/hostname", "scheme_refused"),
        ("data:image/png;base64,AAAA", "scheme_refused"),
        ("HTTPS:/x", "bad_url"),
        ("", "bad_url"),
        ("a.jpg", "bad_url"),
        ("//example.invalid/a.jpg", "bad_url"),
        ("www.example.invalid:8080/a.jpg", "bad_url"),
        ("http://", "bad_url"),
        ("http:///a.jpg", "bad_url"),
        ("http://example.invalid:port/", "bad_url"),
        ("http://example.invalid:99999/", "bad_url"),
        ("http://one.example.invalid\\@two.example.invalid/", "bad_url"),
        ("http://exa mple.invalid/", "bad_url"),
        ("http://example.invalid/a\r\nHost: x", "bad_url"),
        ("http://[::1/", "bad_url"),
        ("http://" + "a" * 70 + ".example.com/", "bad_url"),
        ("http://..example.com/", "bad_url"),
        ("http://example.invalid/" + "a" * 9000, "bad_url"),
        ("http://user:word@example.invalid/", "address_refused"),
        ("http://user@example.invalid/", "address_refused"),
        ("http://@example.invalid/", "address_refused"),
        ("http://example.invalid:22/", "address_refused"),
        ("http://example.invalid:6379/", "address_refused"),
        ("http://10.0.0.1/", "address_refused"),
        ("http://192.168.1.1:8080/", "address_refused"),
        ("http://169.254.169.254/", "address_refused"),
        ("http://127.0.0.1/", "address_refused"),
        ("http://127.1/", "address_refused"),
        ("http://2130706433/", "address_refused"),
        ("http://0x7f000001/", "address_refused"),
        ("http://0.0.0.0/", "address_refused"),
        ("http://localhost/", "address_refused"),
        ("http://[::1]/", "address_refused"),
        ("http://[::ffff:127.0.0.1]/", "address_refused"),
        ("http://[::127.0.0.1]/", "address_refused"),
        ("http://[::ffff:0:127.0.0.1]/", "address_refused"),
        ("http://[::ffff:0:8.8.8.8]/", "address_refused"),
        ("http://[fe80::1]/", "address_refused"),
        ("http://inside.example.invalid/", "address_refused"),
        ("http://gone.example.invalid/", "no_such_host"),
        ("https://gone.example.invalid/", "no_such_host"),
        ("http://busy.example.invalid/", "connection"),
    ],
)
def test_links_that_lead_nowhere_or_must_not_be_followed(fetcher, limits, url, reason):
    with pytest.raises(FetchFailed) as caught:
        fetcher.fetch(url, limits)
    assert caught.value.reason == reason


def test_only_the_exact_host_and_port_are_open(server, failure):
    port = server.server_port
    assert failure(f"http://localhost:{port}/picture") == ("address_refused", None)
    assert failure("picture", allow_addresses=(f"localhost:{port}",)) == ("address_refused", None)
    assert failure("picture", allow_addresses=()) == ("address_refused", None)
    other = (f"127.0.0.1:{port + 1}",)
    assert failure("picture", allow_addresses=other) == ("address_refused", None)


def test_localhost_can_be_opened_by_name(server, get):
    port = server.server_port
    opened = get(f"http://localhost:{port}/picture", allow_addresses=(f"localhost:{port}",))
    assert opened.data == PICTURE


@pytest.mark.parametrize("text", ["10.0.0.1:80", "example.invalid:80", "127.0.0.1", "localhost:x"])
def test_nothing_but_loopback_can_be_opened(text):
    with pytest.raises(ValueError, match=r"this machine|host:port"):
        FetchLimits(allow_addresses=(text,))


def test_a_closed_port_is_a_failed_connection(get, failure):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert failure(f"http://{address}/a", allow_addresses=(address,)) == ("connection", None)


def test_plain_http_where_tls_is_expected_is_a_tls_failure(server, failure):
    assert failure(f"https://{server.address}/picture") == ("tls", None)


def test_an_unknown_certificate_is_a_tls_failure(failure, tmp_path):
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        def serve():
            connection, _ = listener.accept()
            with connection, pytest.raises(ssl.SSLError):
                context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        assert failure(f"https://{address}/a", allow_addresses=(address,)) == ("tls", None)
        thread.join()


def self_signed(folder):
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    return file


@pytest.mark.parametrize(
    "path", ["drip", "drip-announced", "drip-headers", "drip-chunks", "silent", "endless"]
)
def test_nothing_lasts_longer_than_its_seconds(failure, path):
    start = time.monotonic()
    reason, _ = failure(path, total_seconds=0.6, max_bytes=10**12)
    assert reason == "timeout"
    assert 0.5 < seconds_since(start) < 1.5


def test_a_handshake_that_never_ends_is_ended(failure):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        start = time.monotonic()
        url = f"https://{address}/a"
        assert failure(url, allow_addresses=(address,), total_seconds=0.5) == ("timeout", None)
        assert seconds_since(start) < 1.5


def test_the_body_of_a_redirect_is_not_read(get):
    assert get("endless-redirect").data == PICTURE


@pytest.mark.parametrize("path", ["gzip-bomb", "endless"])
def test_memory_stays_near_the_limit(server, failure, path):
    failure("404")  # what is allocated once is there
    tracemalloc.start()
    try:
        assert failure(path)[0] == "too_many_bytes"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_BYTES  # the server's own buffers included


def test_the_limit_of_bytes_is_exact(get, failure):
    assert get("picture", max_bytes=len(PICTURE)).data == PICTURE
    assert failure("picture", max_bytes=len(PICTURE) - 1) == ("too_many_bytes", 200)
    assert get("gzipped", max_bytes=len(PICTURE)).data == PICTURE
    assert failure("chunked", max_bytes=len(PICTURE) - 1) == ("too_many_bytes", 200)


def test_no_more_redirects_than_allowed(get, failure):
    assert get("hops-2", max_redirects=3).data == PICTURE
    assert failure("hops-2", max_redirects=2)[0] == "too_many_redirects"
    assert failure("to-picture", max_redirects=0)[0] == "too_many_redirects"


def test_sends_a_fixed_agent_and_nothing_that_tells_on_us(server, limits, monkeypatch, tmp_path):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password word\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.seen.clear()
    with Fetcher(user_agent="Screening/2") as fetcher:
        for _ in range(2):  # the first answer sets a cookie
            fetcher.fetch(f"http://{server.address}/picture", limits)
    for headers in server.seen:
        assert headers == {
            "Host": server.address,
            "User-Agent": "Screening/2",
            "Accept": "image/*",
            "Accept-Encoding": "identity",
        }
    assert len(server.seen) == 2


def test_a_connection_is_kept_for_the_next_picture(server, limits):
    server.peers.clear()
    with Fetcher() as fetcher:
        for _ in range(5):
            fetcher.fetch(f"http://{server.address}/picture", limits)
    assert len(server.peers) == 1


def test_a_kept_connection_that_was_closed_is_made_anew(server, limits):
    with Fetcher() as fetcher:
        for one, other in pairwise(["picture", "picture", "hang-up", "picture", "picture"]):
            for path in (one, other):
                if path == "hang-up":
                    with pytest.raises(FetchFailed, match="connection"):
                        fetcher.fetch(f"http://{server.address}/{path}", limits)
                else:
                    found = fetcher.fetch(f"http://{server.address}/{path}", limits)
                    assert found.data == PICTURE


def test_many_threads_share_one_fetcher(server, fetcher, limits):
    limits = replace(limits, connect_seconds=30, total_seconds=60)  # sixteen share what one has
    paths = ["picture", "404", "to-picture", "page-named-picture", "cut", "to-private"] * 20
    expected = [None, "http_404", None, "not_a_picture", "truncated", "address_refused"] * 20

    def outcome(path):
        try:
            assert fetcher.fetch(f"http://{server.address}/{path}", limits).data == PICTURE
        except FetchFailed as error:
            return error.reason
        return None

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(outcome, paths)) == expected


def test_closing_ends_what_still_runs(server, limits):
    fetcher = Fetcher()
    with ThreadPoolExecutor(1) as pool:
        running_fetch = pool.submit(fetcher.fetch, f"http://{server.address}/silent", limits)
        time.sleep(0.3)
        start = time.monotonic()
        fetcher.close()
        with pytest.raises(FetchFailed, match="timeout"):
            running_fetch.result()
    assert seconds_since(start) < 1
    with pytest.raises(RuntimeError, match="closed"):
        fetcher.fetch("http://example.invalid/", limits)


def test_no_link_gets_into_logs_or_messages(get, server, caplog):
    caplog.set_level(logging.DEBUG)
    secret = "k7words"
    paths = ["odd-headers", "404", "cut", "hang-up", "to-private", "to-no-host", "to-bad-url"]
    urls = [f"http://{server.address}/{path}?q={secret}" for path in paths]
    urls += [f"http://{secret}.example.invalid/", f"http://example.invalid:{secret}/"]
    urls += [f"http://10.0.0.1/{secret}", f"ftp://{secret}/", f"https://{server.address}/{secret}"]
    for url in urls:
        with pytest.raises(FetchFailed) as caught:
            get(url)
        text = "".join(traceback.format_exception(caught.value))
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert secret not in text
        assert "127.0.0.1" not in text
    assert secret not in caplog.text
    assert "127.0.0.1" not in caplog.text


def test_a_link_is_sent_as_it_is_read():
    found = addresses.link("HTTP://EXAMPLE.invalid:8080/a%20b.jpg?c=\u00fc#d")
    assert (found.host, found.port) == ("example.invalid", 8080)
    assert found.authority == "example.invalid:8080"
    assert found.target == "/a%20b.jpg?c=%C3%BC"
    assert addresses.link("https://b\u00fccher.example/").host == "xn--bcher-kva.example"


SEGMENTS = (
    "a",
    "B.jpg",
    ".",
    "..",
    "...",
    ".b",
    "b..",
    "%2e",
    "%20",
    "a;b",
    "@",
    "\u00fc",
    "a b",
    "|",
)
LINKS = strategies.builds(
    "{}{}{}/{}{}".format,
    strategies.sampled_from(
        ["http://", "https://"] * 4 + ["HTTP://", "http:/", "ftp://", " http://"]
    ),
    strategies.sampled_from(["a.example", "127.0.0.1", "10.1", "a_b.example"] * 4)
    | strategies.sampled_from(["[::1]", "A.b", "a..b", ".a", "a@b", "a%41", "*.a", ""]),
    strategies.sampled_from(["", "", "", ":80", ":8080", ":59999", ":", ":080", ":65536", ":a"]),
    strategies.lists(strategies.sampled_from(SEGMENTS[:7]) | strategies.sampled_from(SEGMENTS)).map(
        "/".join
    ),
    strategies.just("") | strategies.text("aZ9/.%2e?#@:;&=+~!$'()*,-_ \"<>[]^\u00fc\n", max_size=9),
)


@given(url=LINKS)
@settings(max_examples=1000)
def test_a_plain_link_is_read_as_the_long_way_reads_it(url):
    def read():
        try:
            return addresses.link(url)
        except addresses.LinkRefused as refused:
            return refused.reason

    quickly = read()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(addresses, "_PLAIN", re.compile("nothing is plain"))
        assert quickly == read()


def test_most_links_are_plain():
    plain = addresses._PLAIN.fullmatch
    assert plain("https://cdn.example.com/a/b..c/d_1-2.jpg?v=1&w=a/b,c")
    assert plain("http://127.0.0.1:8080/1.jpg")
    assert plain("http://127.0.0.1:45678/")
    assert not plain("http://example.com/a/../b.jpg")
    assert not plain("http://user@example.com/b.jpg")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("9" * 40, 999_999_999),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 0),
        ("", None),
        (None, None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0663", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
    ],
)
def test_both_forms_of_retry_after(text, seconds):
    assert retry_after(text) == seconds


def test_a_date_to_come_is_so_many_seconds_away():
    text = formatdate(time.time() + 90, usegmt=True)
    assert 60 < retry_after(text) <= 90


def test_a_body_waits_for_room_and_the_time_stands_still_meanwhile(server, fetcher, limits):
    room = Room(MAX_BYTES)
    room.take(MAX_BYTES)
    seconds = 3
    limits = FetchLimits(**{**vars(limits), "total_seconds": seconds})
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fetcher.fetch, f"http://{server.address}/picture", limits, room=room)
        time.sleep(seconds + 0.5)
        assert not waiting.done()
        room.give(MAX_BYTES)
        fetched = waiting.result()
    assert fetched.data == PICTURE
    assert room.take_now(MAX_BYTES - len(PICTURE))  # what was fetched keeps its room
    assert not room.take_now(1)


@pytest.mark.parametrize("path", ["404", "cut", "page-named-picture", "endless", "gzip-bomb"])
def test_a_failure_keeps_no_room(server, fetcher, limits, path):
    room = Room(MAX_BYTES)
    with pytest.raises(FetchFailed):
        fetcher.fetch(f"http://{server.address}/{path}", limits, room=room)
    assert room.take_now(MAX_BYTES)


def test_closing_ends_those_that_wait_for_room(server, limits):
    room = Room(MAX_BYTES)
    room.take(MAX_BYTES)
    fetcher = Fetcher()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fetcher.fetch, f"http://{server.address}/picture", limits, room=room)
        while not room._queue:
            time.sleep(0.01)
        room.close()
        fetcher.close()
        with pytest.raises(RoomClosed):
            waiting.result(10)
