"""Ready sentences for the reason of an answer, from a text file of the installation."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from moderation.models import Review

LONGEST = 300  # characters of a sentence


class BadReasons(Exception):
    """The file cannot be used; the message says why."""


def ready() -> dict[str, tuple[str, ...]]:
    """Return the sentences of REASONS_FILE by answer; read again when the file changes.

    None at all where the file cannot be used: the check at the start says why.
    """
    path = Path(settings.REASONS_FILE)
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, BadReasons):
        return {}


def read(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a file: ``# CODE`` begins an answer, ``- `` a sentence.

    Raises:
        BadReasons: not to be read, an answer that does not exist, or a line that is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadReasons(f"cannot be read ({type(error).__name__})") from error
    found: dict[str, tuple[str, ...]] = {}
    code = ""
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if line.startswith("# "):
            code = line[2:].strip()
            if code not in Review.Answer.values:
                raise BadReasons(f"line {number} names no answer: {', '.join(Review.Answer)}")
        elif line.startswith("- ") and code and len(line) <= LONGEST:
            found[code] = (*found.get(code, ()), line[2:].strip())
        elif line:
            raise BadReasons(
                f"line {number} is no sentence of an answer: “# CODE”, below it “- ” and a "
                f"sentence of at most {LONGEST} characters"
            )
    return found


@lru_cache(maxsize=1)
def _read(path: Path, _changed: int) -> dict[str, tuple[str, ...]]:
    return read(path)
