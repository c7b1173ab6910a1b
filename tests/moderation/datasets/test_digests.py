"""A column of digests taken as a whole says what looking at each value says."""

import hashlib
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.algorithms import EMPTY_DIGESTS
from moderation.datasets.readers import digests

WIDTHS = {"md5": 16, "sha1": 20, "sha256": 32}
KINDS = {
    "text": pa.string(),
    "large text": pa.large_string(),
    "text view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
    "bytes": pa.binary(),
    "large bytes": pa.large_binary(),
    "bytes view": pa.binary_view(),
}


def values(algorithm: str, *, as_bytes: bool) -> st.SearchStrategy[Any]:
    """Return mostly clean hex, or raw digests, between all that is odd."""
    width = WIDTHS[algorithm]
    raw = st.binary(min_size=width, max_size=width)
    empty = next(each for each in EMPTY_DIGESTS if len(each) == width)
    almost = raw.map(lambda value: empty[:4] + value[4:])
    flat = st.sampled_from([empty, bytes(width), b"\xff" * width, bytes(width - 1) + b"\x01"])
    digest = raw | raw | raw | almost | flat
    text = (
        digest.map(bytes.hex)
        | digest.map(bytes.hex).map(str.upper)
        | digest.map(bytes.hex).map(lambda text: f" {text}\n")
        | digest.map(bytes.hex).map(lambda text: f"{text[:-2]} {text[-2]}")
        | st.sampled_from(["", " ", "x", "é" * width, "zz" * width, "0" * width, "ab " * width])
        | st.text(max_size=2 * width)
    )
    if not as_bytes:
        return st.none() | text
    return st.none() | digest | text.map(lambda each: each.encode(errors="surrogatepass"))


def same(algorithm: str, column: Any) -> list[bytes | None]:
    """Assert that both ways agree; return what they say."""
    whole, bad = digests.clean_column(algorithm, column)
    single, wrong = digests.clean(algorithm, digests.values(column))
    whole.validate(full=True)
    assert whole.type == single.type == pa.binary(WIDTHS[algorithm])
    assert whole.to_pylist() == single.to_pylist()
    assert bad == wrong
    found: list[bytes | None] = whole.to_pylist()
    return found


@settings(max_examples=300, deadline=None)
@given(data=st.data(), algorithm=st.sampled_from(sorted(WIDTHS)), kind=st.sampled_from([*KINDS]))
def test_taken_as_a_whole_or_one_by_one(data: st.DataObject, algorithm: str, kind: str) -> None:
    each = values(algorithm, as_bytes="bytes" in kind)
    if data.draw(st.booleans()):  # nothing odd among them
        clean = st.binary(min_size=WIDTHS[algorithm], max_size=WIDTHS[algorithm]).map(bytes.hex)
        each = clean.map(str.encode) if "bytes" in kind else clean
        each = each | st.none() if data.draw(st.booleans()) else each
    column = pa.array(data.draw(st.lists(each, max_size=12)), KINDS[kind])
    begin = data.draw(st.integers(0, len(column)))
    same(algorithm, column)
    same(algorithm, column.slice(begin))
    same(algorithm, column.slice(0, begin))


@pytest.mark.parametrize("algorithm", sorted(WIDTHS))
def test_bytes_of_fixed_width(algorithm: str) -> None:
    width = WIDTHS[algorithm]
    raw = [hashlib.sha256(b"%d" % n).digest()[:width] for n in range(9)]
    odd = [*raw, None, bytes(width), b"\xff" * width]
    assert same(algorithm, pa.array(odd, pa.binary(width))) == [*raw, None, None, None]
    hexes = [value.hex().encode() for value in raw]
    assert same(algorithm, pa.array([*hexes, None], pa.binary(2 * width))) == [*raw, None]
    assert same(algorithm, pa.nulls(3, pa.binary(width))) == [None] * 3
    assert same(algorithm, pa.nulls(2)) == [None] * 2


def test_text_that_is_no_unicode() -> None:
    """Arrow holds any bytes as text; what Python cannot read is looked at as bytes."""
    good = hashlib.md5(b"x").hexdigest().encode()
    for broken in (b"\xff" * 3, b"\xff" * 32, b"\xfe" * 16):
        held = pa.array([good, broken, None, b"a" * 16], pa.binary())
        column = pa.Array.from_buffers(pa.string(), 4, held.buffers())
        assert same("md5", column)[0] == bytes.fromhex(good.decode())
