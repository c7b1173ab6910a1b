"""The installation's policy: what the answers mean and how cases are handled, as people read it."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True)
class Block:
    """A heading, a paragraph, or the items of a list."""

    kind: str
    lines: tuple[str, ...]


def policy() -> tuple[Block, ...]:
    """Return the text of POLICY_FILE, block by block; read again when the file changes."""
    path = Path(settings.POLICY_FILE)
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _read(path: Path, _changed: int) -> tuple[Block, ...]:
    return tuple(blocks(path.read_text(encoding="utf-8")))


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
