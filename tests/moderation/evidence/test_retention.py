"""What is due goes, with a certificate; what is not due, or held, stays readable."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from moderation import files, tasks
from moderation.evidence import retention, store
from moderation.evidence.sealing import Unreadable
from moderation.media.preview import Copy
from moderation.models import Case, CustodyEvent, Entry, SealedObject
from moderation.review import decisions, queue
from reports.models import Report
from tests.moderation.review.making import make_case, record_basis, seal_copies
from tests.pictures import encoded, picture

pytestmark = pytest.mark.django_db
KINDS = SealedObject.Kind


@pytest.fixture(autouse=True)
def folder(settings, tmp_path) -> Path:
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()
    settings.PREVIEW_KEEP_DAYS = 30
    return tmp_path / "evidence"


def case_with_previews(*, days_closed: float | None = 31) -> Case:
    case = make_case()
    data = encoded(picture(1))
    for entry in Entry.objects.filter(flag__case=case):
        seal_copies(entry, data, only=(Copy(1), Copy(2)))
    if days_closed is not None:
        closed(case, days_closed)
    return case


def closed(case: Case, days: float) -> None:
    at = timezone.now() - timedelta(days=days)
    Case.objects.filter(pk=case.pk).update(state=Case.State.CLOSED, closed_at=at)


def kept(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def certificates():
    return CustodyEvent.objects.filter(action="evidence_deleted")


def test_previews_go_after_their_time_with_a_certificate_each(folder):
    case = case_with_previews()
    sealed = list(SealedObject.objects.order_by("pk"))
    tasks.delete_due()
    assert kept(folder) == 0
    for each in sealed:
        each.refresh_from_db()
        assert each.wrapped_key is None
        assert each.shredded_at
        assert each.erased_at
        with pytest.raises(Unreadable):
            store.open_sealed(each)
        told = certificates().get(object_id=str(each.pk))
        assert (told.actor, told.reason, told.file_sha256) == ("system", "retention", each.sha256)
        assert told.after == {"kind": "preview", "size": each.size, "case": case.pk}
    assert CustodyEvent.objects.check_chain().intact


def test_a_second_run_changes_nothing(folder):
    case_with_previews()
    assert retention.delete_due() == 2
    before = list(SealedObject.objects.order_by("pk").values())
    assert retention.delete_due() == 0
    assert list(SealedObject.objects.order_by("pk").values()) == before
    assert certificates().count() == 2


@pytest.mark.parametrize("days", [None, 29])
def test_previews_stay_in_work_and_before_their_time(folder, days):
    case_with_previews(days_closed=days)
    assert retention.delete_due() == 0
    assert kept(folder) == SealedObject.objects.readable().count() == 2


def test_a_reopened_case_keeps_its_previews(folder):
    case = case_with_previews()
    decisions.reopen(Case.objects.get(), because="new_match")
    assert retention.delete_due() == 0
    assert kept(folder) == 2
    closed(case, 31)
    assert retention.delete_due() == 2


@pytest.mark.parametrize(
    ("state", "stays"), [("draft", True), ("proposed", True), ("withdrawn", False)]
)
def test_previews_wait_for_a_report_that_is_not_filed(state, stays):
    Report.objects.create(case=case_with_previews(), agency="iwf", environment="test", state=state)
    assert retention.delete_due() == (0 if stays else 2)


def test_a_run_is_bounded_and_the_next_goes_on(folder, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 1)
    case_with_previews()
    assert [retention.delete_due() for _ in range(3)] == [1, 1, 0]
    assert kept(folder) == 0


def test_what_nobody_refers_to_goes_after_a_day(folder):
    lost, fresh = (store.seal(b"grey", KINDS.PREVIEW) for _ in range(2))
    used = case_with_previews(days_closed=None)
    old = timezone.now() - timedelta(days=1, minutes=1)
    SealedObject.objects.exclude(pk=fresh.pk).update(created_at=old)
    assert retention.delete_due() == 1
    told = certificates().get()
    assert (told.object_id, told.reason) == (str(lost.pk), "unused")
    assert kept(folder) == 3
    assert store.open_sealed(fresh) == b"grey"
    assert SealedObject.objects.readable().filter(preview__entry__flag__case=used).count() == 2


def test_a_file_left_behind_a_destroyed_key_is_deleted(folder):
    sealed = store.seal(b"grey", KINDS.PREVIEW)
    with transaction.atomic():
        store.destroy_key(sealed)  # and then the process is killed
    assert kept(folder) == 1
    retention.delete_due()
    assert kept(folder) == 0
    assert not SealedObject.objects.to_erase().exists()


def test_a_file_never_stands_without_a_row(folder, monkeypatch):
    """Stopped in the middle of sealing: the row is there before the file is begun."""
    seen = []
    write = files.write_atomically

    def stopped(location, **options):
        seen.append(SealedObject.objects.readable().count())
        with write(location, **options) as stream:
            stream.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_atomically", stopped)
    with pytest.raises(KeyboardInterrupt):
        store.seal(b"grey", KINDS.PREVIEW)
    assert seen == [1]
    assert kept(folder) == 1
    assert not SealedObject.objects.readable().exists()
    retention.delete_due()
    assert kept(folder) == 0


def test_the_page_says_that_a_preview_was_deleted(login, reviewer):
    record_basis()
    case = case_with_previews()
    retention.delete_due()
    decisions.reopen(Case.objects.get(), because="new_match")
    queue.claim(Case.objects.get(), by=reviewer)
    body = login(reviewer).get(reverse("moderation:case", args=[case.pk])).content.decode()
    today = timezone.now()
    assert f"Preview deleted on {today:%-d %b %Y} under the retention rule." in body
    assert "never read" not in body


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_delete_each_object_once(folder):
    for _ in range(4):
        case_with_previews()
    start = threading.Barrier(2)

    def run(_: int) -> int:
        try:
            start.wait()
            return retention.delete_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(run, range(2))) + retention.delete_due() == 8
    assert certificates().count() == 8
    assert kept(folder) == 0
    assert CustodyEvent.objects.check_chain().intact


@pytest.mark.django_db(transaction=True)
def test_a_case_that_is_being_reopened_is_stepped_over(folder):
    case_with_previews()
    reopened, go_on = threading.Event(), threading.Event()

    def reopen() -> None:
        try:
            with transaction.atomic():
                decisions.reopen(Case.objects.get(), because="new_match")
                reopened.set()
                assert go_on.wait(20)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(reopen)
        assert reopened.wait(20)
        assert retention.delete_due() == 0
        go_on.set()
        under_way.result(20)
    assert retention.delete_due() == 0
    assert kept(folder) == 2
