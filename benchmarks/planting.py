"""Values planted at chosen distances from hashes of pictures, and what must be found of them."""

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Pairs = set[tuple[int, int]]

NEAR, FARTHEST = 20, 31  # bits; every other value lies between the two, the others nearer


def planted(random: np.random.Generator, values: Bytes) -> Bytes:
    """Return one value near each of ``values``, (n, 32), by turns 0 to NEAR - 1 and NEAR to
    FARTHEST bits away.

    One: a second, nearer one would make the picture a candidate, and so hide that the first did
    not.
    """
    bits = np.unpackbits(values, axis=1)
    for number, row in enumerate(bits):
        low, high = (NEAR, FARTHEST) if number % 2 else (0, NEAR - 1)
        away = int(random.integers(low, high + 1))
        row[random.choice(len(row), away, replace=False)] ^= 1
    return np.packbits(bits, axis=1)


def require_all(what: str, ours: Pairs, theirs: Pairs, *, least: int) -> None:
    """End the program unless ``ours`` holds all of ``theirs``, which are ``least`` or more.

    Pairs are (picture, known value).
    """
    if len(theirs) < least:
        raise SystemExit(f"{what}: the peer finds {len(theirs)} matches; {least} prove something")
    if missing := sorted(theirs - ours):
        shown = ", ".join(f"picture {picture} with value {known}" for picture, known in missing[:5])
        raise SystemExit(
            f"{what}: {len(missing)} of the peer's {len(theirs)} matches are missing: {shown}"
        )
