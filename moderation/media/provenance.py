"""Signals of a picture's origin: an indication only. Present can be forged, absent means nothing.

Read from the original bytes, offline, with every field capped. Only names of signals come out: a
prompt may itself be harmful text, and stays where it is. The list follows domain.md 7.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image

from moderation.media import containers
from moderation.media.decode import mute_pillow

mute_pillow()

_LARGEST_TEXT = 1_000_000  # bytes of one text field that are looked at

_EXIF_DIRECTORY, _USER_COMMENT = 0x8769, 0x9286
_MAKE, _MODEL, _SOFTWARE = 0x010F, 0x0110, 0x0131
_EXPOSURE, _GPS_DIRECTORY = 0x829A, 0x8825

_GENERATORS = re.compile(
    r"stable.?diffusion|midjourney|dall.?e|firefly|novelai|invokeai|comfyui|automatic1111|fooocus"
    r"|imagen|flux\.1|leonardo\.ai",
    re.IGNORECASE,
)
_SOURCE_TYPE = re.compile(rb"digitalsourcetype/([A-Za-z]{4,60})")
_GENERATED_SOURCES = {
    "trainedAlgorithmicMedia": "xmp_trained_algorithmic_media",
    "compositeWithTrainedAlgorithmicMedia": "xmp_composite_with_trained_algorithmic_media",
    "compositeSynthetic": "xmp_composite_synthetic",
    "algorithmicMedia": "xmp_algorithmic_media",
}


class Strength(StrEnum):
    """How much a signal says; CONTRARY speaks for a camera, weakly."""

    MEDIUM = "medium"
    WEAK = "weak"
    CONTRARY = "contrary"


@dataclass(frozen=True)
class Signal:
    """One indication, by name."""

    name: str
    strength: Strength


def signals(data: bytes) -> list[Signal]:
    """Return the signals found in ``data``, each once; none for what cannot be read.

    Never raises on hostile bytes: metadata that cannot be read says nothing.
    """
    found: dict[str, Signal] = {}
    for signal in _all(data):
        found.setdefault(signal.name, signal)
    return list(found.values())


def _all(data: bytes) -> Iterator[Signal]:
    name = containers.sniff(data)
    exif, xmp, texts = _metadata(name, data)
    for key, text in texts:
        yield from _text_signals(key, text)
    for packet in xmp:
        for match in _SOURCE_TYPE.finditer(packet[:_LARGEST_TEXT]):
            signal = _GENERATED_SOURCES.get(match.group(1).decode())
            if signal:
                yield Signal(signal, Strength.MEDIUM)
    for block in exif:
        yield from _exif_signals(block)


def _metadata(
    name: str | None, data: bytes
) -> tuple[list[bytes], list[bytes], list[tuple[str, str]]]:
    """Return EXIF blocks, XMP packets and text fields of a file."""
    exif: list[bytes] = []
    xmp: list[bytes] = []
    texts: list[tuple[str, str]] = []
    if name == "jpeg":
        for marker, content in containers.jpeg_segments(data):
            if marker == 0xE1 and content.startswith(b"Exif\x00\x00"):
                exif.append(content)
            elif marker == 0xE1 and content.startswith(b"http://ns.adobe.com/xap/1.0/\x00"):
                xmp.append(content)
    elif name == "webp":
        for kind, content in containers.webp_chunks(data):
            if kind == b"EXIF":
                exif.append(content)
            elif kind == b"XMP ":
                xmp.append(content)
    elif name == "png":
        for kind, content in containers.png_chunks(data):
            if kind == b"eXIf":
                exif.append(content)
            elif kind in (b"tEXt", b"zTXt", b"iTXt"):
                key, text = _png_text(kind, content)
                if key == "XML:com.adobe.xmp":
                    xmp.append(text.encode())
                else:
                    texts.append((key, text))
    elif name == "tiff":
        exif.append(data)  # a TIFF file is an EXIF block with a picture in it
    return exif, xmp, texts


def _png_text(kind: bytes, content: bytes) -> tuple[str, str]:
    """Return keyword and text of a PNG text chunk (PNG third edition, 11.3.3), both capped."""
    key, _, rest = content.partition(b"\x00")
    packed = kind == b"zTXt"
    if packed:
        rest = rest[1:]
    elif kind == b"iTXt":
        packed = rest[:1] == b"\x01"
        rest = rest[2:].partition(b"\x00")[2].partition(b"\x00")[2]
    if packed:
        try:
            rest = zlib.decompressobj().decompress(rest, _LARGEST_TEXT)
        except zlib.error:
            rest = b""  # a broken field says nothing
    encoding = "utf-8" if kind == b"iTXt" else "latin-1"
    return key[:80].decode("latin-1"), rest[:_LARGEST_TEXT].decode(encoding, "replace")


def _text_signals(key: str, text: str) -> Iterator[Signal]:
    lowered = key.lower()
    if lowered == "parameters" and _is_parameters(text):
        yield Signal("generator_parameters", Strength.MEDIUM)
    elif lowered in ("prompt", "workflow") and text.lstrip().startswith("{"):
        yield Signal("generator_workflow", Strength.MEDIUM)
    elif lowered in ("invokeai_metadata", "sd-metadata", "dream"):
        yield Signal("invokeai_metadata", Strength.MEDIUM)
    elif lowered == "software" and "novelai" in text.lower():
        yield Signal("novelai_software", Strength.MEDIUM)
    elif lowered == "software" and _GENERATORS.search(text[:200]):
        yield Signal("generator_software", Strength.WEAK)


def _exif_signals(block: bytes) -> Iterator[Signal]:
    exif = Image.Exif()
    try:
        exif.load(block)
        inner = exif.get_ifd(_EXIF_DIRECTORY)
        position = exif.get_ifd(_GPS_DIRECTORY)
        made_by = [exif.get(tag) for tag in (_MAKE, _MODEL, _SOFTWARE)]
    except Exception:  # noqa: BLE001
        # Pillow's reader raises whatever a hostile block makes it trip over; such a block is not
        # metadata, and the absence of a signal means nothing.
        return
    make, model, software = (value if isinstance(value, str) else "" for value in made_by)
    if _is_parameters(_comment(inner.get(_USER_COMMENT))):
        yield Signal("exif_generator_parameters", Strength.MEDIUM)
    if _GENERATORS.search(software[:200]) or _GENERATORS.search(make[:200]):
        yield Signal("exif_generator", Strength.WEAK)
    elif make and model and _EXPOSURE in inner:
        yield Signal("exif_camera", Strength.CONTRARY)
    if position:
        yield Signal("exif_position", Strength.CONTRARY)


def _comment(value: object) -> str:
    """Return an EXIF user comment as text: eight bytes name its encoding (EXIF 2.3, 4.6.5)."""
    if isinstance(value, str):
        return value[:_LARGEST_TEXT]
    if not isinstance(value, bytes):
        return ""
    body = value[8 : 8 + _LARGEST_TEXT]
    if value.startswith(b"UNICODE"):
        big = body[:1] == b"\x00"  # the standard leaves the byte order open
        return body.decode("utf-16-be" if big else "utf-16-le", "replace")
    return body.decode("utf-8", "replace")


def _is_parameters(text: str) -> bool:
    return sum(word in text for word in ("Steps:", "Sampler:", "Seed:")) >= 2
