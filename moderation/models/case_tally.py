"""How many cases there are by state, triage, harm class and trust, kept as they change.

Counting a million rows for every page would cost more than the page. Triggers on the table of cases
(`triggers.Tallied`) note each change here as a row of its own, so that nobody waits for anybody;
the sum over the rows is the exact count in every snapshot, as the notes stand and fall with the
transaction that changed the cases.
"""

from django.db import connection, models
from django.db.models import Sum


class CaseTallyQuerySet(models.QuerySet["CaseTally"]):
    def total(self) -> int:
        """Return how many cases the rows of this set come to."""
        return self.aggregate(total=Sum("cases"))["total"] or 0

    def sum_up(self) -> None:
        """Put the notes of each kind together in one row; no count changes by it."""
        with connection.cursor() as cursor:
            cursor.execute(
                "WITH notes AS (DELETE FROM moderation_casetally"
                " RETURNING state, triage, harm_class, trust, cases)"
                " INSERT INTO moderation_casetally (state, triage, harm_class, trust, cases)"
                " SELECT state, triage, harm_class, trust, sum(cases) FROM notes"
                " GROUP BY state, triage, harm_class, trust"
                " HAVING sum(cases) <> 0"
            )


class CaseTally(models.Model):
    """One note: so many more cases, or fewer, in this state, of this triage, class and trust."""

    state = models.CharField(max_length=10)
    triage = models.CharField(max_length=10)
    harm_class = models.CharField(max_length=20, default="unknown")
    trust = models.CharField(max_length=10, default="standard")
    cases = models.BigIntegerField()

    objects = CaseTallyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "case tallies"

    def __str__(self) -> str:
        return f"{self.cases:+} {self.state}, {self.triage}"
