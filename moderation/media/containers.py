"""What a picture file says before it is decoded: its format, its end, its canvas, its orientation.

Everything here reads a few bytes and follows lengths that are checked against the end of the data;
nothing is allocated for what a header promises.
"""

import struct
from collections.abc import Iterator

# Enough of a file's beginning to tell its format.
SNIFF_BYTES = 64

# What Breakwater decodes. JPEG: ITU T.81; PNG: W3C PNG; GIF: GIF89a; WebP: RFC 9649; TIFF 6.0 and
# BigTIFF; AVIF: ISO 23000-22 brands in an ISO 14496-12 file type box.
_MAGIC = (
    ("jpeg", b"\xff\xd8\xff"),
    ("png", b"\x89PNG\r\n\x1a\n"),
    ("gif", b"GIF87a"),
    ("gif", b"GIF89a"),
    ("tiff", b"II*\x00"),
    ("tiff", b"MM\x00*"),
    ("tiff", b"II+\x00"),
    ("tiff", b"MM\x00+"),
)
# Pictures that are none of ours: said apart from what is no picture at all.
_OTHER_MAGIC = (
    ("jpeg2000", b"\x00\x00\x00\x0cjP  \r\n\x87\n"),
    ("jpeg2000", b"\xff\x4f\xff\x51"),
    ("jxl", b"\xff\x0a"),
    ("jxl", b"\x00\x00\x00\x0cJXL \r\n\x87\n"),
    ("ico", b"\x00\x00\x01\x00"),
    ("psd", b"8BPS"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # sizes of the known information headers

DECODED = frozenset({"jpeg", "png", "gif", "webp", "bmp", "tiff", "avif"})


def sniff(data: bytes) -> str | None:
    """Return the format that the first bytes name, in lower case, or None if they name none.

    The answer may be a format that is not in DECODED (jpeg2000, jxl, ico, psd, heif).
    """
    for name, magic in _MAGIC + _OTHER_MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:2] == b"BM" and len(data) >= 18 and _u32le(data, 14) in _BMP_HEADERS:
        return "bmp"
    if data[4:8] == b"ftyp":
        brands = data[8 : min(len(data), SNIFF_BYTES, max(12, _u32be(data, 0)))]
        if b"avif" in brands or b"avis" in brands:
            return "avif"
        if brands[:4] in _HEIF_BRANDS:
            return "heif"
    return None


def cut_short(name: str, data: bytes) -> bool:
    """Return whether a file of format ``name`` ends before its own structure says it ends.

    Asked only after decoding failed, to tell "truncated" from "undecodable". TIFF has no such mark.
    """
    if name == "jpeg":
        return b"\xff\xd9" not in data[-4096:]  # some writers leave a little after the end
    if name == "png":
        return not any(kind == b"IEND" for kind, _ in png_chunks(data))
    if name == "gif":
        return not data.rstrip(b"\x00").endswith(b";")
    if name == "webp":
        return len(data) < _u32le(data, 4) + 8
    if name == "bmp":
        return len(data) < _u32le(data, 2)
    if name == "avif":
        return _boxes_run_over(data)
    return False


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each complete PNG chunk; stop where the data ends."""
    position = 8
    while position + 12 <= len(data):
        length = _u32be(data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return
        yield data[position + 4 : position + 8], data[position + 8 : end]
        position = end + 4


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each JPEG segment before the first scan."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker in (0xDA, 0xD9) or marker == 0x00 or 0xD0 <= marker <= 0xD8:
            return
        length = struct.unpack_from(">H", data, position + 2)[0]
        yield marker, data[position + 4 : position + 2 + length]
        position += 2 + length


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each complete chunk of a WebP file."""
    position = 12
    while position + 8 <= len(data):
        length = _u32le(data, position + 4)
        end = position + 8 + length
        if end > len(data):
            return
        yield data[position : position + 4], data[position + 8 : end]
        position = end + (length & 1)


def webp_canvas(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a WebP file, or None where the header is cut or unknown.

    libwebp allocates the canvas as soon as a decoder is made, so the size must be known before.
    """
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        width = int.from_bytes(data[24:27], "little") + 1
        return width, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L" and len(data) >= 25:
        packed = _u32le(data, 21)
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(data) >= 30:
        return struct.unpack_from("<H", data, 26)[0] & 0x3FFF, (
            struct.unpack_from("<H", data, 28)[0] & 0x3FFF
        )
    return None


def jpeg_orientation(data: bytes) -> int:
    """Return the EXIF orientation of a JPEG file, 1 to 8; 1 where there is none or it is broken."""
    for marker, content in jpeg_segments(data):
        if marker == 0xE1 and content[:6] == b"Exif\x00\x00":
            return _tiff_orientation(content[6:])
    return 1


def _tiff_orientation(block: bytes) -> int:
    """Return tag 274 of the first directory of a TIFF block, 1 where it cannot be read."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return 1
    start = struct.unpack_from(order + "I", block, 4)[0]
    if start + 2 > len(block):
        return 1
    entries = struct.unpack_from(order + "H", block, start)[0]
    for position in range(start + 2, min(start + 2 + 12 * entries, len(block) - 11), 12):
        tag, kind = struct.unpack_from(order + "HH", block, position)
        if tag == 274 and kind == 3:
            value: int = struct.unpack_from(order + "H", block, position + 8)[0]
            return value if 1 <= value <= 8 else 1
    return 1


def _boxes_run_over(data: bytes) -> bool:
    position = 0
    while position + 8 <= len(data):
        length = _u32be(data, position)
        if length == 1 and position + 16 <= len(data):
            length = struct.unpack_from(">Q", data, position + 8)[0]
        if length == 0:  # to the end of the file
            return False
        if length < 8:
            return False
        position += length
    return position != len(data)


def _u32be(data: bytes, at: int) -> int:
    value: int = struct.unpack_from(">I", data, at)[0] if at + 4 <= len(data) else 0
    return value


def _u32le(data: bytes, at: int) -> int:
    value: int = struct.unpack_from("<I", data, at)[0] if at + 4 <= len(data) else 0
    return value
