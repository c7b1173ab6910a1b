"""All hashes of one picture from one decode."""

from dataclasses import dataclass

from moderation.media import pdq as pdq_hash
from moderation.media.decode import MAX_PIXELS, Picture, ScaledJpeg, decode, decode_scaled
from moderation.media.digests import digests
from moderation.media.phash import grey_phash, phash


@dataclass(frozen=True)
class PictureHashes:
    """What is known of a picture's bytes once the bytes are dropped.

    ``md5`` (16 bytes), ``sha1`` (20) and ``sha256`` (32) are of the file; ``pdq`` (32), with its
    quality 0 to 100, and ``phash`` (8) of the picture as it is to be seen. ``pdq_turns`` holds the
    PDQ of its seven other orientations, 7 x 32 bytes in the order of pdq.ORIENTATIONS. ``width``
    and ``height`` are in pixels, ``size`` in bytes.
    """

    md5: bytes
    sha1: bytes
    sha256: bytes
    pdq: bytes
    pdq_quality: int
    pdq_turns: bytes
    phash: bytes
    width: int
    height: int
    format: str
    size: int


@dataclass(frozen=True)
class Perceptual:
    """The perceptual hashes of one decoded picture; fields as in PictureHashes."""

    pdq: bytes
    pdq_quality: int
    pdq_turns: bytes
    phash: bytes


def hash_picture(
    data: bytes, *, exact: bool = False, max_pixels: int = MAX_PIXELS
) -> PictureHashes:
    """Return the hashes of the picture in ``data``, or raise PictureError.

    A JPEG is decoded at the smallest scale that keeps 256 pixels a side, which moves a PDQ by about
    two bits; ``exact`` decodes it fully, as every other format always is, and gives the bits of the
    reference.
    """
    scaled = None if exact else decode_scaled(data, max_pixels=max_pixels)
    if scaled is not None:
        name, (width, height) = "jpeg", scaled.size
        found = hash_scaled(scaled)
    else:
        decoded = decode(data, max_pixels=max_pixels)
        name, width, height = decoded.format, decoded.width, decoded.height
        found = hash_decoded(decoded)
    return PictureHashes(
        **digests(data),
        pdq=found.pdq,
        pdq_quality=found.pdq_quality,
        pdq_turns=found.pdq_turns,
        phash=found.phash,
        width=width,
        height=height,
        format=name,
        size=len(data),
    )


def hash_decoded(picture: Picture) -> Perceptual:
    """Return the perceptual hashes of a fully decoded picture."""
    turns, quality = pdq_hash.dihedral(picture.luma)
    return _perceptual(turns, quality, phash(picture.image))


def hash_scaled(scaled: ScaledJpeg) -> Perceptual:
    """Return the perceptual hashes of a small copy, read as block means of the whole picture."""
    if min(scaled.stored_height, scaled.stored_width) < pdq_hash.SMALLEST_SIDE:
        turns, quality = [bytes(pdq_hash.WIDTH)] * len(pdq_hash.ORIENTATIONS), 0
    else:
        grid = pdq_hash.scaled_grid(
            scaled.small,
            height=scaled.stored_height,
            width=scaled.stored_width,
            eighths=scaled.eighths,
            turn=scaled.turn,
        )
        turns, quality = pdq_hash.grid_hashes(grid)
    return _perceptual(turns, quality, grey_phash(scaled.grey))


def _perceptual(turns: list[bytes], quality: int, value: bytes) -> Perceptual:
    return Perceptual(turns[0], quality, b"".join(turns[1:]), value)
