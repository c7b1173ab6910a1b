"""Datasets, ledgers, index files and evidence in a bucket: the same scan, the same findings."""

import pytest
from pytest_django import Settings

from moderation import files
from moderation.datasets.registering import register
from moderation.models import Entry, Preview, Scan
from moderation.scanning import rescans
from tests import pictures
from tests.moderation.datasets.s3 import bucket  # noqa: F401  # a fixture

from .conftest import LoadList, RunScan, finish, md5_of, pdq_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_dataset_in_a_bucket_is_scanned_and_rescanned_there(
    bucket: str,  # noqa: F811
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    settings: Settings,
    tmp_path: pictures.Path,
) -> None:
    settings.LEDGER_URL = files.join(bucket, "ledgers")
    settings.EVIDENCE_URL = files.join(bucket, "evidence")
    local = pictures.embedded(tmp_path / "train-00000-of-00001.parquet", drawn)
    shard = files.join(bucket, "data", local.name)
    with files.write_atomically(shard) as stream:
        stream.write(local.read_bytes())
    load_list("demo", "1", [md5_of(drawn[1])])

    revision = register([shard], dataset="bucket", revision="v1", by=None).revision
    scan = run_scan(revision)
    load_list("demo", "2", [md5_of(drawn[1]), pdq_of(drawn[9])])
    [due] = rescans.due()
    rescan = finish(rescans.start(due, by=None))

    assert (scan.state, rescan.state) == (Scan.State.FINISHED, Scan.State.FINISHED)
    assert set(Entry.objects.values_list("row", flat=True)) == {1, 9}
    assert Preview.objects.count() == 8
    assert revision.shards.get().ledger.startswith("s3://")
    assert revision.shards.get().name == local.name
    assert not (tmp_path / "ledgers").exists()
