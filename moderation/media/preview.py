"""Previews: small, grey, without metadata, made in memory. They are all a browser ever gets.

Levels of the review console: 24 pixels on the longest side for L1, 64 for L2.
"""

import io

from PIL import Image

from moderation.media.decode import decode

LARGEST_SIDE = 128  # pixels; a preview beyond this would be a picture
LARGEST_ENLARGED = 1024
_LARGEST_BYTES = 65_536  # of a preview; 128 x 128 grey pixels cannot need more


def preview(data: bytes, *, side: int) -> bytes:
    """Return a grey PNG of the picture in ``data``, longest side at most ``side`` pixels.

    Each pixel is the mean of the block it stands for, so nothing finer than ``side`` blocks a side
    is left. A picture that is already smaller keeps its size. Raises PictureError, or ValueError
    for a ``side`` outside 1 to LARGEST_SIDE.
    """
    if not 1 <= side <= LARGEST_SIDE:
        raise ValueError(f"side must lie between 1 and {LARGEST_SIDE} pixels")
    grey = decode(data).image.convert("L")
    longest = max(grey.size)
    if longest > side:
        width, height = (max(1, round(length * side / longest)) for length in grey.size)
        grey = grey.resize((width, height), Image.Resampling.BOX)
    return _png(grey)


def enlarge(small_png: bytes, *, side: int) -> bytes:
    """Return a preview enlarged smoothly, as a grey PNG with its longest side ``side`` pixels.

    Takes what ``preview`` makes and nothing else: ValueError for anything larger, coloured or not a
    PNG, so that no original can be shown by this way.
    """
    if not 1 <= side <= LARGEST_ENLARGED:
        raise ValueError(f"side must lie between 1 and {LARGEST_ENLARGED} pixels")
    if len(small_png) > _LARGEST_BYTES:
        raise ValueError("not a preview: too many bytes")
    try:
        with Image.open(io.BytesIO(small_png), formats=("PNG",)) as small:
            if small.mode != "L" or max(small.size) > LARGEST_SIDE:
                raise ValueError("not a preview: too large or not grey")
            longest = max(small.size)
            width, height = (max(1, round(length * side / longest)) for length in small.size)
            return _png(small.resize((width, height), Image.Resampling.BICUBIC))
    except (OSError, SyntaxError) as error:
        raise ValueError("not a preview: not a PNG") from error


def _png(grey: Image.Image) -> bytes:
    bare = Image.new("L", grey.size)  # a new picture has no info, so nothing rides along
    bare.paste(grey)
    file = io.BytesIO()
    bare.save(file, "PNG")
    return file.getvalue()
