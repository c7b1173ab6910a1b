"""The migration that gives leases a kind, on a database that holds rows, there and back."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from moderation.models import Review
from moderation.review import queue
from tests.migrating import database_of_its_own, latest, migrate

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE, AFTER = "0013_match_approximate", "0014_holding_a_case"


def leased(apps: Any, person: Any, minutes: int) -> int:
    """A case that the person holds for so long, with its unfinished review."""
    case = apps.get_model("moderation", "Case").objects.create(
        leased_by=person,
        lease_token=f"token {minutes}",
        lease_expires_at=timezone.now() + timedelta(minutes=minutes),
    )
    apps.get_model("moderation", "Review").objects.create(case=case, reviewer=person, stage="first")
    return int(case.pk)


def test_leases_get_a_kind() -> None:
    with database_of_its_own():
        apps = migrate(BEFORE)
        people = apps.get_model("auth", "User").objects
        one, two = (people.create(username=name) for name in ("rhea", "sam"))
        apps.get_model("moderation", "Person").objects.create(user=one, pseudonym="harbour-1")
        twice = [leased(apps, one, minutes) for minutes in (4, 9, 6)]
        ran_out = [leased(apps, two, minutes) for minutes in (-30, -60)]
        free = apps.get_model("moderation", "Case").objects.create().pk

        cases = migrate(AFTER).get_model("moderation", "Case").objects
        kinds = dict(cases.values_list("pk", "lease_kind"))
        assert kinds == dict.fromkeys([*twice, *ran_out, free], "") | {twice[1]: "work"}
        live = cases.filter(lease_expires_at__gt=timezone.now())
        assert [case.pk for case in live] == [twice[1]]
        assert live.get().lease_token == "token 9"
        migrate(latest())
        assert queue.record_expired() == 4  # what ended goes on record as ever
        assert [review.case_id for review in Review.objects.filter(ended="")] == [twice[1]]

        cases = migrate(AFTER).get_model("moderation", "Case").objects
        later = timezone.now() + timedelta(hours=20)
        cases.filter(pk=twice[0]).update(
            leased_by=two.pk, lease_kind="hold", lease_token="", lease_expires_at=later
        )
        cases.filter(pk=twice[2]).update(
            leased_by=two.pk, lease_kind="handed", lease_token="", lease_expires_at=later
        )
        cases = migrate(BEFORE).get_model("moderation", "Case").objects
        assert [case.pk for case in cases.filter(lease_expires_at__gt=timezone.now())] == [twice[1]]
        assert cases.count() == 6

        cases = migrate(AFTER).get_model("moderation", "Case").objects
        assert cases.get(lease_kind="work").pk == twice[1]
        with connection.cursor() as cursor:
            cursor.execute("SELECT sum(cases) FROM moderation_casetally")
            assert cursor.fetchone() == (6,)
