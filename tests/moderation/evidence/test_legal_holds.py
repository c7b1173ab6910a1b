"""A legal hold keeps everything sealed for its case, and never crosses a deletion (H10)."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from moderation.evidence import legal_holds, retention, store
from moderation.models import Case, CustodyEvent, Entry, Preview, Removal, SealedObject
from reports.models import Report
from tests.moderation.evidence.test_retention import case_with_previews, kept
from tests.moderation.review.making import add_entry
from tests.moderation.views import rows

pytestmark = pytest.mark.django_db
KINDS = SealedObject.Kind
WHY = "Order 7 of the court."


@pytest.fixture(autouse=True)
def folder(settings, tmp_path) -> Path:
    settings.EVIDENCE_URL = (tmp_path / "evidence").as_uri()
    settings.PREVIEW_KEEP_DAYS = 30
    return tmp_path / "evidence"


def events() -> list[tuple[str, str, str]]:
    said = CustodyEvent.objects.filter(action__startswith="legal_hold")
    return list(said.values_list("action", "object_id", "reason"))


def row(case: Case) -> tuple[object, str]:
    case = Case.objects.get(pk=case.pk)
    return case.legal_hold_since, case.legal_hold_reason


def assert_waits(step: Callable[[], object]) -> None:
    """See that the step runs into a lock that another transaction holds."""

    def impatient() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '300ms'")
            step()

    with pytest.raises(OperationalError, match="lock timeout"):
        impatient()


class Beside:
    """A step in a transaction of another thread, open until the block ends; then committed."""

    def __init__(self, step: Callable[[], object]) -> None:
        self.step = step
        self.done, self.go_on = threading.Event(), threading.Event()
        self.pool = ThreadPoolExecutor(1)

    def __enter__(self) -> None:
        self.under_way = self.pool.submit(self._run)
        assert self.done.wait(20)

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self.under_way.result(20)
        self.pool.shutdown()

    def _run(self) -> None:
        try:
            with transaction.atomic():
                self.step()
                self.done.set()
                assert self.go_on.wait(20)
        finally:
            connection.close()


def test_what_is_due_stays_while_the_hold_stands_and_goes_after(folder, lead):
    case, other = case_with_previews(), case_with_previews()
    assert legal_holds.set_hold(case, by=lead, reason=WHY)
    assert retention.delete_due() == 2
    left = SealedObject.objects.readable()
    assert left.filter(preview__entry__flag__case=case).count() == kept(folder) == 2
    assert not left.filter(preview__entry__flag__case=other).exists()
    assert legal_holds.lift_hold(case, by=lead, reason="The order has ended.")
    assert retention.delete_due() == 2
    assert events() == [
        ("legal_hold_set", str(case.pk), WHY),
        ("legal_hold_lifted", str(case.pk), "The order has ended."),
    ]
    assert CustodyEvent.objects.check_chain().intact


def test_a_hold_keeps_what_is_sealed_after_it(folder, lead):
    case = case_with_previews()
    legal_holds.set_hold(case, by=lead, reason=WHY)
    entry = add_entry(case)
    sealed = store.seal(b"grey", KINDS.PREVIEW)
    Preview.objects.create(entry=entry, level=1, sealed=sealed)
    assert retention.delete_due() == 0
    with pytest.raises(PermissionError):
        store.shred(sealed)
    assert store.open_sealed(sealed) == b"grey"


def preview_of(case, **_) -> SealedObject:
    return Preview.objects.filter(entry__flag__case=case).first().sealed


def payload_of(case, **_) -> SealedObject:
    payload = store.seal(b"row", KINDS.PAYLOAD)
    Report.objects.create(case=case, agency="iwf", environment="test", payload=payload)
    return payload


def manifest_of(case, *, first, second) -> SealedObject:
    entry = Entry.objects.filter(flag__case=case).first()
    decision = rows.removal(rows.revision(), first=first, second=second).decision
    removal = Removal.objects.create(entry=entry, decision=decision)
    manifest = rows.manifest(entry.revision)
    manifest.lines.create(removal=removal)
    return manifest.sealed


@pytest.mark.parametrize("make", [preview_of, payload_of, manifest_of])
def test_nothing_of_the_case_can_be_shredded(lead, reviewer, second_reviewer, make):
    case = case_with_previews()
    sealed = make(case, first=reviewer, second=second_reviewer)
    legal_holds.set_hold(case, by=lead, reason=WHY)
    with pytest.raises(PermissionError, match="legal hold"):
        store.shred(sealed)
    assert store.open_sealed(sealed)
    legal_holds.lift_hold(case, by=lead, reason=WHY)
    store.shred(sealed)
    sealed.refresh_from_db()
    assert sealed.wrapped_key is None


def test_a_second_time_changes_nothing(lead, reviewer):
    case = case_with_previews()
    assert legal_holds.set_hold(case, by=lead, reason=WHY)
    before = row(case)
    assert not legal_holds.set_hold(case, by=reviewer, reason="Another reason.")
    assert row(case) == before
    assert legal_holds.lift_hold(case, by=lead, reason=WHY)
    assert not legal_holds.lift_hold(case, by=lead, reason=WHY)
    assert row(case) == (None, "")
    assert [action for action, _, _ in events()] == ["legal_hold_set", "legal_hold_lifted"]


def test_without_a_reason_neither_row_nor_event(lead):
    case = case_with_previews()
    with pytest.raises(ValueError, match="reason"):
        legal_holds.set_hold(case, by=lead, reason=" ")
    assert row(case) == (None, "")
    legal_holds.set_hold(case, by=lead, reason=WHY)
    before = row(case)
    with pytest.raises(ValueError, match="reason"):
        legal_holds.lift_hold(case, by=lead, reason="")
    assert row(case) == before
    assert len(events()) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"legal_hold_since": timezone.now(), "legal_hold_reason": ""},
        {"legal_hold_since": None, "legal_hold_reason": WHY},
    ],
)
def test_the_database_refuses_a_hold_without_a_reason_and_a_reason_alone(fields):
    case = case_with_previews()
    with pytest.raises(IntegrityError), transaction.atomic():
        Case.objects.filter(pk=case.pk).update(**fields)


@pytest.mark.django_db(transaction=True)
def test_a_case_that_is_being_held_is_stepped_over(folder, lead):
    case = case_with_previews()
    sealed = preview_of(case)
    with Beside(lambda: legal_holds.set_hold(case, by=lead, reason=WHY)):
        assert retention.delete_due() == 0
        assert_waits(lambda: store.shred(sealed))
    assert retention.delete_due() == 0
    with pytest.raises(PermissionError):
        store.shred(sealed)
    assert kept(folder) == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("due", [True, False], ids=["by_the_due_job", "by_hand"])
def test_a_hold_waits_for_a_deletion_under_way(lead, due):
    case = case_with_previews()
    sealed = preview_of(case)

    def delete() -> None:
        if due:
            retention.delete_due()
        else:
            store.shred(sealed)

    with Beside(delete):
        assert_waits(lambda: legal_holds.set_hold(case, by=lead, reason=WHY))
    assert legal_holds.set_hold(case, by=lead, reason=WHY)
    sealed.refresh_from_db()
    assert sealed.wrapped_key is None
    assert CustodyEvent.objects.check_chain().intact
