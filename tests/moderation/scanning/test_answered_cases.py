"""What scans do with cases that people answered: kept pairs stay kept, waiting cases wake."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from moderation.datasets.registering import register
from moderation.models import Case, CustodyEvent, Removal, Revision
from moderation.scanning import rescans
from tests import pictures
from tests.moderation.review.making import settled

from .conftest import LoadList, RunScan, finish, md5_of, pdq_of

# The heartbeat has a connection of its own, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_pair_that_was_kept_raises_nothing_in_later_scans(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    tmp_path: Path,
    reviewer: User,
    second_reviewer: User,
) -> None:
    load_list("demo", "1", [pdq_of(drawn[4])])
    run_scan(embedded)
    case = Case.objects.get()
    for user in (reviewer, second_reviewer):
        case = settled(case, user, "KEEP_FALSE_MATCH")
    copy = pictures.encoded(pictures.picture(4), quality=40)
    path = pictures.embedded(tmp_path / "train-next.parquet", [drawn[4], copy])

    run_scan(register([str(path)], dataset="mirror", revision="v1", by=None).revision)

    case.refresh_from_db()
    assert (case.state, case.flags.count()) == ("closed", 3)
    assert not Case.objects.in_work().exists()
    assert not Removal.objects.exists()


def test_a_new_match_wakes_a_case_that_nobody_could_tell(
    embedded: Revision,
    drawn: list[bytes],
    load_list: LoadList,
    run_scan: RunScan,
    reviewer: User,
) -> None:
    load_list("demo", "1", [pdq_of(drawn[4])], trust="trusted")
    run_scan(embedded)
    case = settled(Case.objects.get(), reviewer, "CANNOT_TELL")
    assert case.state == "waiting"
    run_scan(embedded)
    case.refresh_from_db()
    assert case.state == "waiting"  # the same again says nothing new
    Case.objects.update(opened_at=timezone.now() - timedelta(days=40))

    load_list("demo", "2", [pdq_of(drawn[4]), md5_of(drawn[4])], trust="trusted")
    for due in rescans.due():
        finish(rescans.start(due, by=None))

    case.refresh_from_db()
    assert (case.state, case.reopened_because) == ("open", "new_match")
    assert not case.reviews.standing().exists()
    assert CustodyEvent.objects.filter(action="case_woken").count() == 1
    assert case.due_at > timezone.now()  # counted from when it came back
