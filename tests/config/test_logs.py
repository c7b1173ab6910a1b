"""The last net under the logs: nothing that an error quotes gets through."""

import base64
import hashlib
import io
import logging
from collections.abc import Iterator

import pytest

from config.logs import IdsOnly

CAPTION = "a boat at rest, no. 7"
URL = "https://p.invalid/a.jpg?x=1"
DIGEST = "0123456789abcdef" * 2


class Known(Exception):
    """An error of our own, as far as its module says."""


Known.__module__ = "moderation.somewhere"


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(IdsOnly())
    logger = logging.getLogger("tests.net")
    logger.addHandler(handler)
    yield logger, stream
    logger.removeHandler(handler)


def test_urls_and_hashes_are_withheld(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    logger.warning("%s and \\x%s in %s", URL, DIGEST, "scan 12")
    assert stream.getvalue() == "[withheld] and [withheld] in scan 12\n"


BYTES = hashlib.sha256(b"a picture").digest()
SMALL = bytes.fromhex("5ba5d9c4f0e1a2b3")  # 64 bits


@pytest.mark.parametrize(
    "value",
    [
        "HTTP://p.invalid/a.jpg",
        "hTTps://p.invalid/it's\"a<b>.jpg",
        "ftp://p.invalid/a.jpg",
        "s3://bucket/a.jpg",
        "ipfs://bafy/a.jpg",
        "//p.invalid/a.jpg",
        "//p.invalid:8080/a.jpg",
        r"https:\/\/p.invalid\/a.jpg",
        "https%3A%2F%2Fp.invalid%2Fa.jpg",
        "data:image/png;base64,iVBORw0KGgo",
        rf"\x{SMALL.hex()}",
        rf"\x{BYTES.hex()}",
        repr(SMALL),
        repr(BYTES),
        SMALL.hex(),
        SMALL.hex().upper(),
        SMALL.hex(":"),
        BYTES.hex().upper(),
        *(base64.b64encode(BYTES[:size]).decode() for size in (16, 20, 32)),
        *(base64.b64encode(BYTES[:size]).decode().rstrip("=") for size in (16, 20, 32)),
        base64.b64encode(BYTES + BYTES).decode(),
        base64.urlsafe_b64encode(BYTES).decode(),
    ],
)
@pytest.mark.parametrize("around", ["{}", "({})", "Key (value)=({}) is there", "of {}, row 3"])
def test_every_spelling_is_withheld(
    log: tuple[logging.Logger, io.StringIO], value: str, around: str
) -> None:
    logger, stream = log
    logger.warning("%s", around.format(value))
    said = stream.getvalue()
    assert "[withheld]" in said
    for part in (value, SMALL.hex(), BYTES.hex(), "p.invalid", "a.jpg", value[4:-4]):
        assert part.lower() not in said.lower()


@pytest.mark.parametrize("value", [BYTES.hex(), SMALL.hex(), base64.b64encode(BYTES).decode()])
def test_a_hash_in_a_name_is_withheld(log: tuple[logging.Logger, io.StringIO], value: str) -> None:
    logger, stream = log
    logger.warning("index_%s_old is gone", value)
    assert value not in stream.getvalue()


@pytest.mark.parametrize(
    "words",
    [
        "scan 12: 4,096 rows of shard 17 in 3.2 s",
        "2026-11-24 04:47:22,118 at 10.0.0.7:6379",
        "Error 111 connecting to redis://localhost:6379/0. Connection refused.",
        "task moderation.tasks.scan_shard[9f1c2b3a-5d6e-4f70-8192-a3b4c5d6e7f8] received",
        "<moderation.models.case.Case object at 0x7f908b55cd60>",
        "/srv/breakwater/data/ledgers/17/part-00001.parquet//",
        "SELECT 1 -- a//b/c",
        "custody chain: 5 events, head 5ba5d9c4-f0e1a2b3-5ba5d9c4-f0e1a2b3",
        "moderation.scanning.pipeline.Scanner_of_Version_12=3",
        "BREAKWATER_DATA=/srv/data/Breakwater2 DJANGO_SETTINGS_MODULE=config.settings.test",
        "backup of b'x' and 1764000000123456789",
    ],
)
def test_what_people_need_stays(log: tuple[logging.Logger, io.StringIO], words: str) -> None:
    logger, stream = log
    logger.warning("%s", words)
    assert stream.getvalue() == f"{words}\n"


def test_an_error_tells_where_and_not_what(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    try:
        try:
            int(CAPTION)
        except ValueError as error:
            raise RuntimeError(f"{URL} {CAPTION}") from error
    except RuntimeError:
        logger.exception("shard scan 3 failed")
    said = stream.getvalue()
    assert said.startswith("shard scan 3 failed\nTraceback")
    assert "test_logs.py" in said
    assert said.index("builtins.ValueError") < said.index("builtins.RuntimeError")
    assert CAPTION not in said
    assert "p.invalid" not in said


def test_our_own_errors_keep_their_words(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    try:
        raise Known("shard 3 changed")
    except Known:
        logger.exception("failed")
    assert stream.getvalue().endswith("moderation.somewhere.Known: shard 3 changed\n")


def test_what_celery_says_of_a_failed_task(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    logger.error("Task %(name)s: %(exc)s", {"name": "settle", "exc": f"ValueError({CAPTION!r})"})
    assert stream.getvalue() == "Task settle: ValueError\n"


def test_errors_that_name_each_other_end(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = log
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    logger.error("failed", exc_info=first)
    assert stream.getvalue().count("Traceback") == 2
