"""The migration that gives trainings rows of their own, on a database that holds grants."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.migrating import database_of_its_own, migrate

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE, BETWEEN, AFTER = "0018_saved_views", "0019_training", "0020_previews_by_training"
START = datetime(2026, 3, 1, tzinfo=UTC)


def test_dates_on_grants_become_trainings_and_come_back() -> None:
    with database_of_its_own():
        apps = migrate(BEFORE)
        people = apps.get_model("auth", "User").objects
        rhea, lena = (people.create(username=name) for name in ("rhea", "lena"))

        def grant(trained_on: date | None, level: int) -> Any:
            return apps.get_model("moderation", "Grant").objects.create(
                person=rhea,
                harm_classes=["csam"],
                level=level,
                starts_at=START,
                ends_at=START + timedelta(days=60),
                given_by=lena,
                trained_on=trained_on,
            )

        old, new = date(2025, 2, 1), date(2026, 2, 1)
        grants = {grant(old, 1).pk: old, grant(new, 2).pk: new, grant(new, 1).pk: new}
        bare = grant(None, 0).pk

        apps = migrate(AFTER)
        trainings = apps.get_model("moderation", "Training").objects.order_by("held_on")
        assert [(each.held_on, each.until) for each in trainings] == [
            (old, date(2026, 4, 30)),  # as long as the grant that rests on it
            (new, date(2027, 2, 1)),
        ]
        assert {each.recorded_by_id for each in trainings} == {lena.pk}
        rows = apps.get_model("moderation", "Grant").objects
        assert {each.pk: each.training.held_on for each in rows.exclude(pk=bare)} == grants
        assert rows.get(pk=bare).training is None

        migrate(BETWEEN)
        rows = migrate(BEFORE).get_model("moderation", "Grant").objects
        assert dict(rows.exclude(pk=bare).values_list("pk", "trained_on")) == grants
