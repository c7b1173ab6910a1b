"""What a scan found, in lines for the terminal: the same figures as on its page."""

from moderation.datasets import removals
from moderation.models import Scan
from moderation.scanning import progress


def flags(scan: Scan) -> str:
    """The flags on what the scan matched: raised by it, and known from earlier scans."""
    now = progress.of(scan)
    return f"{now.flags} ({now.raised} raised now, {now.known} already known)"


def verified(scan: Scan) -> list[str]:
    """One line for each manifest of an earlier revision, once the scan has finished."""
    if scan.state != Scan.State.FINISHED:
        return []
    return [f"removals: {each}" for each in removals.outcomes(scan.revision)]
