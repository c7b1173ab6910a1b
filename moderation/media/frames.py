"""Hashes of a few more frames of an animation, or pages of a file, spread over its length."""

from moderation.media import pdq
from moderation.media.decode import MAX_PIXELS, later_frames
from moderation.media.variants import Variant

MOST = 8


def frames(data: bytes, *, max_pixels: int = MAX_PIXELS) -> list[Variant]:
    """Return at most MOST variants ``frame_N``, N counted from 0, of frames after the first."""
    spread = _Spread()
    for number, picture in later_frames(data, wanted=spread.wants, max_pixels=max_pixels):
        value, quality = pdq.pdq(picture.luma)
        spread.keep(number, Variant(f"frame_{number}", quality, value))
    return list(spread.kept.values())


class _Spread:
    """At most MOST of the frames that come by, evenly spread over however many these are.

    Their number is known only when all were passed. So first every one is kept, and each time there
    are more than MOST every second of them is dropped again.
    """

    def __init__(self) -> None:
        self.kept: dict[int, Variant] = {}
        self._step = 1

    def wants(self, number: int) -> bool:
        return number % self._step == 0

    def keep(self, number: int, variant: Variant) -> None:
        self.kept[number] = variant
        if len(self.kept) > MOST:
            self._step *= 2
            self.kept = {at: each for at, each in self.kept.items() if self.wants(at)}
