"""What no reader may swallow: each format against files that are broken in the same ways."""

import contextlib
import io
import random

import pytest

from moderation.hash_lists.formats import FORMATS, read
from moderation.hash_lists.known import Known, ListError, ListUnreadable

from .files import (
    LIMIT,
    hexed,
    items,
    known,
    ncmec,
    ncmec_entry,
    plain,
    stopncii,
    table,
    vics,
    vics_media,
)

GOOD = {
    "plain": plain(range(50), "sha1"),
    "csv": table((seed, "A") for seed in range(50)),
    "vics": vics(vics_media(seed) for seed in range(50)),
    "ncmec": ncmec(*(ncmec_entry(seed) for seed in range(50))),
    "stopncii": stopncii((seed, "Active") for seed in range(50)),
}
LAST = {
    "plain": hexed("sha1", 49).encode(),
    "csv": hexed("md5", 49).upper().encode(),
    "vics": hexed("md5", 49).upper().encode(),
    "ncmec": hexed("md5", 49).encode(),
    "stopncii": hexed("pdq", 49).encode(),
}
ALGORITHM = {"plain": "sha1"}


def reading(data: bytes, format: str) -> list[Known]:
    return known(items(data, format, algorithm=ALGORITHM.get(format)))


def refused(data: bytes, format: str) -> str:
    with pytest.raises(ListUnreadable) as caught:
        reading(data, format)
    message = str(caught.value)
    assert message.strip() == message
    assert "\n" not in message
    assert len(message) < 250
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return message


@pytest.mark.parametrize("format", FORMATS)
def test_the_good_file_is_read(format):
    assert len(reading(GOOD[format].encode(), format)) >= 50


@pytest.mark.parametrize("format", FORMATS)
def test_empty(format):
    assert refused(b"", format) == "the file is empty; fetch it again from the supplier"


@pytest.mark.parametrize("format", FORMATS)
def test_truncated_inside_a_value(format):
    data = GOOD[format].encode()
    assert "fetch it again" in refused(data[: data.rindex(LAST[format]) + 9], format)


@pytest.mark.parametrize("format", ["vics", "ncmec", "stopncii"])
def test_truncated_right_at_the_end(format):
    assert "fetch it again" in refused(GOOD[format].encode()[:-1], format)


@pytest.mark.parametrize("format", FORMATS)
def test_one_line_of_ten_million_characters(format):
    refused(b"a" * LIMIT, format)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("seed", range(5))
def test_binary_junk(format, seed):
    refused(b"\x89PNG\r\n\x1a\n" + random.Random(seed).randbytes(100_000), format)


@pytest.mark.parametrize("format", sorted({*FORMATS} - {"ncmec"}))  # XML tells it by itself
def test_utf16_without_a_mark(format):
    refused(GOOD[format].encode("utf-16-le"), format)


@pytest.mark.parametrize("format", FORMATS)
def test_utf16_with_a_mark_is_read(format):
    assert len(reading(GOOD[format].encode("utf-16"), format)) >= 50


@pytest.mark.parametrize("format", FORMATS)
def test_bytes_of_another_encoding(format):
    data = GOOD[format].encode()
    refused(data[:200] + b"\xe4\xf6" + data[200:], format)


@pytest.mark.parametrize("format", FORMATS)
def test_no_message_holds_a_value(format):
    data = GOOD[format]
    value = data[len(data) // 2 :][:40]
    messages = []
    for broken in (data[:-20], data.replace('"', "", 1), data + "\xff<>{"):
        try:
            reading(broken.encode("latin-1"), format)
        except ListError as error:
            messages.append(str(error))
    assert messages
    assert not any(value[:8] in message for message in messages)
    assert "known" not in repr(reading(data.encode(), format)[0])
    assert hexed("sha1", 0) not in repr(reading(data.encode(), format)[0])


@pytest.mark.parametrize("format", FORMATS)
def test_random_damage_never_ends_in_another_error(format):
    source = random.Random(7)
    data = GOOD[format].encode()
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(source.randint(1, 4)):
            at = source.randrange(len(broken))
            broken[at : at + source.randint(0, 20)] = source.randbytes(source.randint(0, 20))
        with contextlib.suppress(ListUnreadable):
            reading(bytes(broken), format)


def test_an_unknown_format_is_refused():
    with pytest.raises(ListError, match="format must be one of"):
        read(io.BytesIO(b"x"), "xlsx")


@pytest.mark.parametrize("format", ["plain", "csv", "vics", "ncmec"])
def test_memory_does_not_grow_with_the_file(format):
    tracemalloc = pytest.importorskip("tracemalloc")

    def peak(count: int) -> int:
        data = {
            "plain": lambda: plain(range(4 * count), "sha1"),  # read in pieces of 64 KiB
            "csv": lambda: table((seed, "A") for seed in range(count)),
            "vics": lambda: vics(vics_media(seed) for seed in range(count)),
            "ncmec": lambda: ncmec(*(ncmec_entry(seed) for seed in range(count))),
        }[format]().encode()
        file = io.BytesIO(data)
        tracemalloc.start()
        for _ in read(file, format, algorithm=ALGORITHM.get(format)):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(6_000) < peak(1_500) * 1.5 + 200_000
