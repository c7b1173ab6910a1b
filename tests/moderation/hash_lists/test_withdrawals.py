"""Which cases rest on what a version takes back."""

import io

import pytest

from moderation.hash_lists.loading import load
from moderation.hash_lists.withdrawals import affected_cases, withdrawn_hashes
from moderation.models import Case, HashListVersion, KnownHash

from .files import table, value
from .rows import flagged_case, report, row_of, sent_report

pytestmark = pytest.mark.django_db


def loaded(rows, label, slug="demo", **options):
    return load(io.BytesIO(table(rows).encode()), slug=slug, label=label, format="csv", **options)


def known(seed: int) -> KnownHash:
    return row_of("md5", value("md5", seed))


def test_unreported_cases_of_withdrawn_values_are_affected(reporter, second_reporter):
    loaded([(seed, "A") for seed in range(1, 7)], "1")
    open_case = flagged_case(known(1), number=1)
    closed = flagged_case(known(2), number=2, state=Case.State.CLOSED)
    sent = flagged_case(known(3), number=3, state=Case.State.CLOSED)
    sent_report(sent, by=reporter, approved_by=second_reporter)
    drafted = flagged_case(known(4), number=4, state=Case.State.CLOSED)
    report(drafted, by=reporter)
    flagged_case(known(5), number=5)  # its value only changes
    flagged_case(known(6), number=6)  # its value stays
    rows = [(5, "B"), (6, "A")]
    assert loaded(rows, "2", dry_run=True).would_reopen == 2
    result = loaded(rows, "2")
    assert (result.removed, result.changed, result.would_reopen) == (4, 1, 2)
    version = HashListVersion.objects.get(pk=result.version_id)
    assert set(affected_cases(version)) == {open_case, closed, drafted}
    assert withdrawn_hashes(version).count() == 4


def test_a_case_with_two_withdrawn_matches_counts_once():
    loaded([(1, "A"), (2, "A"), (3, "A")], "1")
    case = flagged_case(known(1), number=1, state=Case.State.CLOSED)
    other = flagged_case(known(2), number=2)
    other.flags.update(case=case)
    assert loaded([(3, "A")], "2").would_reopen == 1


def test_another_list_withdrawing_the_value_counts_for_that_list_alone():
    loaded([(1, "A"), (2, "A")], "1")
    loaded([(1, "A"), (2, "A")], "1", slug="other")
    listed = known(1)
    flagged_case(listed, state=Case.State.CLOSED)
    assert loaded([(2, "A")], "2", slug="other").would_reopen == 0
    assert loaded([(2, "A")], "2").would_reopen == 1
