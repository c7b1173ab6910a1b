"""How a scan ends: once, by whoever did its last shard, and not before its answers were heard."""

import pytest

from moderation import tasks
from moderation.datasets import removals
from moderation.models import Revision, Scan
from moderation.scanning import planning

from .conftest import LoadList, md5_of


def test_a_shard_done_while_another_worker_looks_whether_all_are(
    links: Revision, load_list: LoadList, drawn: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first worker comes from its own shard and sees the second under way; before it goes on,
    that one is done. The scan must not end by the first one's hand, with no removal verified."""
    load_list("demo", "1", [md5_of(drawn[0])])
    scan = planning.start(links, by=None)
    first, second = scan.shard_scans.order_by("pk")
    verified: list[Revision] = []
    end_if_done, verify = planning.end_if_done, removals.verify

    def late(scan: Scan) -> bool:
        tasks.do_shard(second.pk)
        return end_if_done(scan)

    def noted(revision: Revision) -> int:
        verified.append(revision)
        return verify(revision)

    monkeypatch.setattr(planning, "end_if_done", late)
    monkeypatch.setattr(removals, "verify", noted)
    tasks.do_shard(first.pk)
    tasks.close_if_done(scan)
    scan.refresh_from_db()
    assert scan.state == Scan.State.RUNNING

    tasks.do_shard(second.pk)
    tasks.close_if_done(scan)
    scan.refresh_from_db()
    assert scan.state == Scan.State.FINISHED
    assert verified == [links]
