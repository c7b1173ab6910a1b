"""The last net under the logs: nothing that an error quotes gets through."""

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
    assert stream.getvalue() == "[withheld] and \\x[withheld] in scan 12\n"


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
