"""All hashes of one picture from one decode."""

from collections.abc import Iterable
from dataclasses import dataclass

from moderation.media import pdq as pdq_hash
from moderation.media.decode import MAX_PIXELS, Picture, ScaledJpeg, decode, decode_scaled
from moderation.media.digests import digests
from moderation.media.frames import frames
from moderation.media.phash import phash
from moderation.media.sampling import View
from moderation.media.variants import Variant, differing, undone

# Bits by which hashes of a quick decode may lie beside the exact ones (docs/decisions/0046).
PDQ_SLACK = 2  # beside those in doubt, which are told of each picture
PHASH_SLACK = 6
NO_DOUBTS = bytes(len(pdq_hash.ORIENTATIONS) * pdq_hash.WIDTH)


@dataclass(frozen=True)
class PictureHashes:
    """What is known of a picture's bytes once the bytes are dropped.

    ``md5`` (16 bytes), ``sha1`` (20) and ``sha256`` (32) are of the file; ``pdq`` (32), with its
    quality 0 to 100, and ``phash`` (8) of the picture as it is to be seen. ``pdq_turns`` holds the
    PDQ of its seven other orientations, 7 x 32 bytes in the order of pdq.ORIENTATIONS.
    ``pdq_variants`` holds those with margins trimmed and cut edges put back, and of later frames.
    ``width`` and ``height`` are in pixels, ``size`` in bytes. ``approximate``: the perceptual
    hashes come from a quick decode. As far as can be told, those of the full one lie within
    PHASH_SLACK bits, and within PDQ_SLACK when the bits of ``pdq_doubts`` are not counted, which
    are 8 x 32 bytes in the order of pdq.ORIENTATIONS; each variant has its own.
    """

    md5: bytes
    sha1: bytes
    sha256: bytes
    pdq: bytes
    pdq_quality: int
    pdq_turns: bytes
    pdq_variants: tuple[Variant, ...]
    phash: bytes
    width: int
    height: int
    format: str
    size: int
    approximate: bool
    pdq_doubts: bytes = NO_DOUBTS


@dataclass(frozen=True)
class Perceptual:
    """The perceptual hashes of one decoded picture; fields as in PictureHashes."""

    pdq: bytes
    pdq_quality: int
    pdq_turns: bytes
    pdq_variants: tuple[Variant, ...]
    phash: bytes
    pdq_doubts: bytes = NO_DOUBTS


def hash_picture(
    data: bytes, *, exact: bool = False, max_pixels: int = MAX_PIXELS
) -> PictureHashes:
    """Return the hashes of the picture in ``data``, or raise PictureError.

    A JPEG is decoded to a half, a quarter or an eighth where that keeps 240 pixels a side, which
    moves a PDQ by no bit mostly, and by more than four bits in one of a hundred pictures. ``exact``
    decodes it fully, as every other format always is, and gives the bits of the reference.
    """
    scaled = None if exact else decode_scaled(data, max_pixels=max_pixels)
    if scaled is not None:
        name, (width, height) = "jpeg", scaled.size
        found = hash_scaled(scaled)
    else:
        decoded = decode(data, max_pixels=max_pixels)
        name, width, height = decoded.format, decoded.width, decoded.height
        found = hash_decoded(decoded, later=frames(data, max_pixels=max_pixels))
    return PictureHashes(
        **digests(data),
        pdq=found.pdq,
        pdq_quality=found.pdq_quality,
        pdq_turns=found.pdq_turns,
        pdq_variants=found.pdq_variants,
        phash=found.phash,
        width=width,
        height=height,
        format=name,
        size=len(data),
        approximate=scaled is not None,
        pdq_doubts=found.pdq_doubts,
    )


def hash_decoded(picture: Picture, *, later: Iterable[Variant] = ()) -> Perceptual:
    """Return the perceptual hashes of a fully decoded picture; ``later``: of its frames."""
    luma = picture.luma
    turns, quality = pdq_hash.dihedral(luma)
    variants = differing([*undone(View.of(luma)), *later], turns[0])
    return Perceptual(turns[0], quality, b"".join(turns[1:]), variants, phash(picture.pixels))


def hash_scaled(scaled: ScaledJpeg) -> Perceptual:
    """Return the perceptual hashes of a small copy, read as block means of the whole picture."""
    view = scaled.view
    turns, quality, doubts = pdq_hash.view_dihedral(view)
    variants = differing(undone(view), turns[0])
    grey = phash(scaled.grey)
    return Perceptual(turns[0], quality, b"".join(turns[1:]), variants, grey, b"".join(doubts))
