"""The installation's policy: what the answers mean and how cases are handled, as people read it."""

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)


class BadPolicy(Exception):
    """The file cannot be used; the message says why."""


@dataclass(frozen=True)
class Block:
    """A heading, a paragraph, or the items of a list."""

    kind: str
    lines: tuple[str, ...]


def policy() -> tuple[Block, ...]:
    """Return the text of POLICY_FILE, block by block; read again when the file changes.

    Nothing where it cannot be used, which the log says: no page of a case depends on it.
    """
    path = Path(settings.POLICY_FILE)
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, BadPolicy) as error:
        why = error if isinstance(error, BadPolicy) else f"cannot be read ({type(error).__name__})"
        logger.error("POLICY_FILE %s: no page of a case shows a policy", why)
        return ()


def read(path: Path) -> tuple[Block, ...]:
    """Read a file.

    Raises:
        BadPolicy: not to be read, not UTF-8, or nothing in it.
    """
    try:
        found = tuple(blocks(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise BadPolicy(f"cannot be read ({type(error).__name__})") from error
    if not found:
        raise BadPolicy("has no text")
    return found


@lru_cache(maxsize=1)
def _read(path: Path, _changed: int) -> tuple[Block, ...]:
    return read(path)


def blocks(text: str) -> list[Block]:
    """Cut a plain text up: ``# `` begins a heading, ``- `` an item, an empty line ends a block."""
    found: list[Block] = []
    for part in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line.strip() for line in part.splitlines() if line.strip()]
        if not lines:
            continue
        if lines[0].startswith("# "):
            found.append(Block("heading", (lines.pop(0)[2:],)))
        if lines and all(line.startswith("- ") for line in lines):
            found.append(Block("items", tuple(line[2:] for line in lines)))
        elif lines:
            found.append(Block("words", (" ".join(lines),)))
    return found
