"""CPU seconds of things done in turns, so that whatever slows the machine slows all of them."""

import time
from collections.abc import Callable

Work = Callable[[], object]


def interleaved(*works: Work, repeats: int = 5) -> list[float]:
    """Return the median CPU seconds of each work, run one after the other ``repeats`` times.

    Each runs once before, unmeasured: compilers, caches and first page faults are not the subject.
    """
    for work in works:
        work()
    return turns(*works, repeats=repeats)


def turns(*works: Work, repeats: int = 3) -> list[float]:
    """The same without the run before, for what is slow and has nothing to warm."""
    spent: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, seconds in zip(works, spent, strict=True):
            begin = time.process_time()
            work()
            seconds.append(time.process_time() - begin)
    return [sorted(seconds)[repeats // 2] for seconds in spent]
