"""Numbers as a person reads them."""


def counted(number: int, noun: str) -> str:
    """Return ``1 file`` or ``1,200 files``: the number with its noun, in the plural where due."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
