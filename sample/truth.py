"""What a scan of the sample should find: the content of truth.json.

``planted`` has an object for each row that shows a picture which a list knows, ``failing`` one for
each row that cannot be fetched or decoded. Rows count from 0 inside their shard, shards from 0 in
the order of the dataset's paths.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sample import embedded, failing, links
from sample.embedded import Row
from sample.links import Link
from sample.planting import NEAR, Plant
from sample.reencoded import Stored, withheld

Finding = dict[str, Any]
AT_ONCE = frozenset({"no_url", "bad_url", "scheme_refused"})  # seen without asking anybody


def of_links(
    dataset: str, shard: int, rows: Sequence[Link], *, keys: Sequence[str | None], columns: set[str]
) -> tuple[list[Finding], list[Finding]]:
    """Return (planted, failing) of one shard of links; ``columns`` are the digests it has."""
    planted, bad = [], []
    for row, (link, key) in enumerate(zip(rows, keys, strict=True)):
        where = {"dataset": dataset, "shard": shard, "row": row, "row_key": key}
        known = {name for name in columns if getattr(link, name)}
        if dataset == "jsonl" and links.by_sha1_alone(link):
            known.discard("md5")
        if link.plant:
            finding = _planted(link.plant, _by_digest(link.plant, known), near=False)
            planted.append(where | finding | {"dead": link.kind == links.DEAD})
        if link.kind:
            bad.append(where | _failing(link, known))
    return planted, bad


def of_rows(shard: int, rows: Iterable[Row]) -> tuple[list[Finding], list[Finding]]:
    """Return (planted, failing) of one shard that carries the original pictures."""
    planted, bad = [], []
    for row, one in enumerate(rows):
        where = {"dataset": "images", "shard": shard, "row": row, "row_key": None}
        if one.plant:
            digests = {"md5", "sha1", "sha256"}
            found = _by_digest(one.plant, digests)
            planted.append(where | _planted(one.plant, found, near=True) | {"dead": False})
        if one.kind:
            reason = [embedded.BROKEN[one.kind]]
            bad.append(where | {"kind": one.kind, "hash_only": reason, "fetch": reason})
    return planted, bad


def of_stored(dataset: str, rows: Iterable[Stored]) -> tuple[list[Finding], list[Finding]]:
    """Return (planted, failing) of a form that img2dataset wrote; distances are of its pictures."""
    planted, bad = [], []
    for one in rows:
        where = {"dataset": dataset, "shard": one.shard, "row": one.row, "row_key": one.key}
        plant, link = one.link.plant, one.link
        columns = {"sha256"} if one.sha256 else set()
        if link.md5 and not withheld(link):
            columns.add("md5")
        if plant and (one.data or plant.exact):
            found = _by_digest(plant, columns)
            finding = _planted(plant, found, near=one.data is not None, stored=one.data)
            planted.append(where | finding | {"dead": one.data is None})
        if one.status != "success":
            reasons = ["download_failed", *(["column"] if columns else [])]
            bad.append(where | {"kind": one.status, "hash_only": reasons, "fetch": None})
    return planted, bad


def _by_digest(plant: Plant, known: set[str]) -> list[str]:
    if not plant.exact:
        return []  # the list has digests of the edited copy alone
    return sorted(known & plant.entry.hashes.keys())


def _planted(
    plant: Plant, by_digest: list[str], *, near: bool, stored: bytes | None = None
) -> Finding:
    """Return what is the same for all forms; ``near`` if the row carries a picture.

    ``hash_only`` names the algorithms that match without a fetch, ``fetch`` those with one. For
    an edited copy ``distance`` is that of the listed PDQ to the picture as the form has it, and
    ``variant`` the orientation of that picture which is that near.
    """
    distance, variant = None, None
    by_picture = []
    if not plant.exact:
        distance, variant = plant.distance(stored or plant.picture.data)
        by_picture = ["pdq"] if distance <= NEAR else []
    return {
        "picture": plant.picture.name,
        "list": plant.shape.slug,
        "version": plant.version,
        "withdrawn": plant.withdrawn,
        "edit": plant.edit,
        "listed": sorted(plant.entry.hashes),
        "hash_only": [*by_digest, *(by_picture if near else [])],
        "fetch": sorted(plant.entry.hashes) if plant.exact else by_picture,
        "distance": distance,
        "variant": variant,
    }


def _failing(link: Link, known: set[str]) -> Finding:
    """Return the reasons that are right for a bad link, without and with a fetch."""
    if link.kind == links.DEAD:
        only = ["column"] if known else ["not_fetched"]
        return {"kind": link.kind, "hash_only": only, "fetch": ["http_404", "column"]}
    if link.kind == links.BAD_MD5:
        only = ["bad_digest"] if "md5" in known else ["not_fetched"]
        only += ["column"] if "sha1" in known else []
        return {"kind": link.kind, "hash_only": only, "fetch": ["fetched", "bad_digest"]}
    reasons = list(failing.KINDS[link.kind or ""].reasons)
    served = link.path is not None and link.path.startswith("/")
    at_once = [] if served else [r for r in reasons if r in AT_ONCE]
    return {"kind": link.kind, "hash_only": [*at_once, "not_fetched"], "fetch": reasons}
