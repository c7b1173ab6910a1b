"""Valkey is flushed, the worker is killed or restarted while an answer waits: it settles all the
same, once, and nothing that was being written is lost."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client

from config.celery import app
from moderation import tasks
from moderation.models import Case, CustodyEvent, Review
from moderation.review import queue
from tests.journeys.conftest import StartWorker
from tests.journeys.test_interruptions import until
from tests.moderation.review.making import make_case

pytestmark = pytest.mark.django_db(transaction=True)

GRACE = 4  # seconds
Login = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _short_grace(settings: Any, surroundings: dict[str, str]) -> None:
    settings.ANSWER_GRACE_SECONDS = GRACE
    surroundings["ANSWER_GRACE_SECONDS"] = str(GRACE)


def flush() -> None:
    """Everything that Valkey holds is gone: queues, cache, what a worker had not finished."""
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.flushall()


def ready() -> bool:
    """Whether a worker answers."""
    return bool(app.control.inspect(timeout=1).ping())


def taken() -> bool:
    """Whether a worker has a message in its hands that it is to act on later."""
    return any((app.control.inspect(timeout=1).scheduled() or {}).values())


def give(client: Client, case: Case, **fields: str) -> Any:
    """Send the answer that stands in the page of the case."""
    page = client.get(f"/cases/{case.pk}/")
    form = page.context["form"]
    hidden = {name: form[name].value() for name in ("token", "edit_no", "idempotency_key")}
    return client.post(
        f"/cases/{case.pk}/answer/",
        {"answer": "REMOVE_KNOWN", "harm_class": "csam", "then": "stay", **hidden, **fields},
    )


def settled_once(review: Review) -> None:
    """The answer has its effect, and has it once."""
    row = Review.objects.get(pk=review.pk)
    assert row.ended == Review.Ended.ANSWERED
    assert row.answer == "REMOVE_KNOWN"
    assert Case.objects.get(pk=review.case_id).state == Case.State.PROPOSED
    actions = CustodyEvent.objects.filter(object_type="case", object_id=str(review.case_id))
    told = list(actions.order_by("seq").values_list("action", flat=True))
    assert told.count("answer_settled") == told.count("case_proposed") == 1
    assert CustodyEvent.objects.check_chain().intact


def is_settled(review: Review) -> Callable[[], bool]:
    return Review.objects.filter(pk=review.pk, settled_at__isnull=False).exists


def test_a_killed_worker_and_a_flushed_valkey_lose_no_answer(
    worker: StartWorker, login: Login, reviewer: User
) -> None:
    case = make_case()
    client = login(reviewer)
    process = worker()
    until(ready)
    queue.claim(case, by=reviewer)
    flush()  # while they write: lease, draft and session live in the database
    assert give(client, case).status_code == 302
    review = case.reviews.get()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
    flush()  # the message that would have settled it
    assert not is_settled(review)()

    worker()
    until(is_settled(review), every=tasks.settle_due.delay)  # the schedule does so each minute

    settled_once(review)


def test_a_worker_that_is_restarted_settles_what_it_had_taken(
    worker: StartWorker, login: Login, reviewer: User
) -> None:
    case = make_case()
    process = worker()
    until(ready)
    queue.claim(case, by=reviewer)
    assert give(login(reviewer), case).status_code == 302
    review = case.reviews.get()
    until(taken)
    process.terminate()
    process.wait(60)

    worker()
    until(is_settled(review))  # no sweep: the message itself comes again

    settled_once(review)


def test_a_message_that_comes_twice_settles_once(
    worker: StartWorker, login: Login, reviewer: User
) -> None:
    case = make_case()
    queue.claim(case, by=reviewer)
    assert give(login(reviewer), case).status_code == 302
    review = case.reviews.get()
    for _ in range(2):
        tasks.settle_answer.apply_async((review.pk,), countdown=GRACE)
    worker()
    until(is_settled(review))
    settled_once(review)
