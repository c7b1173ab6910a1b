"""Made-up neutral captions, a few of them awkward on purpose."""

import numpy as np

WHAT = ("hills", "a chart", "clouds", "a mosaic", "a pattern", "a harbour", "tiles", "a spiral")
WHICH = ("quiet", "bright", "old", "blue", "striped", "wide", "small", "unfinished")
WHERE = ("at dusk", "in the morning", "on paper", "behind glass", "from above", "in winter")

AWKWARD = (
    "",
    "صورة تلال هادئة في الصباح",
    "תמונה של גלים כחולים",
    "A mosaic \u202eon paper\u202c, seen twice",
    "Clouds ☁️ over hills ⛰️ 👩‍🎨",
    'A "quoted" caption, with a comma; and\na second line\tand a tab',
    "<b>Tiles</b> &amp; a 'pattern' -- {curly} %s",
    "青い波の模様",
    " " * 12,
    "A very long description of a striped pattern. " * 120,
)


def caption(random: np.random.Generator) -> str:
    """Return one caption; about one in eight is awkward: empty, long, right to left, emoji."""
    if random.random() < 0.125:
        return AWKWARD[int(random.integers(0, len(AWKWARD)))]
    what, which, where = (
        words[int(random.integers(0, len(words)))] for words in (WHAT, WHICH, WHERE)
    )
    return f"{which.capitalize()} picture of {what} {where}, no. {int(random.integers(1, 9999))}"
