"""What about a load should make a person stop: so much withdrawn or rejected that the file may be
the wrong one, a part of the list, or read the wrong way."""

from .loading import Loaded

SHARE = 0.2  # of what stood, or of what the file names
MEANT = frozenset({"duplicate", "not_a_match", "skipped_by_profile"})  # rejected on purpose


def of(loaded: Loaded, *, dry_run: bool) -> list[str]:
    """Return one sentence for each alarm; none for a load that looks as it should."""
    found = []
    if loaded.removed > SHARE * loaded.standing:
        would = "would be withdrawn" if dry_run else "were withdrawn"
        found.append(
            f"{loaded.removed:,} of {loaded.standing:,} values that stood {would}: "
            "see that the file is the whole list, and the right one."
        )
    rejected = sum(n for reason, n in loaded.rejected.items() if reason not in MEANT)
    named = loaded.new + loaded.same + loaded.changed + rejected
    if rejected > SHARE * named:
        would = "would be rejected" if dry_run else "were rejected"
        found.append(
            f"{rejected:,} of {named:,} values of the file {would}: "
            "see that format, algorithm and profile are those of the file."
        )
    return [] if loaded.repeated else found
