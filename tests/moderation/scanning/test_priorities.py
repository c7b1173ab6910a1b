"""What goes into a priority: the near match that leaves most to its threshold, and the reach."""

import math

import pytest

from moderation.models import Case, Flag, HashList, Match
from moderation.review import listing
from moderation.review.queue import database_now
from moderation.scanning import priorities
from tests.moderation.review.making import add_entry, make_case, make_revision

pytestmark = pytest.mark.django_db
SEVERITY = 4  # of a category that has no mapping


def rated(case: Case) -> float:
    case.refresh_from_db()
    priorities.rate(case)
    return case.priority


def confidence(case: Case) -> float:
    """What the priority comes to besides severity and reach."""
    entries = Flag.objects.filter(case=case).count()
    return rated(case) / (SEVERITY * (1 + math.log10(entries)))


def near(case: Case, distance: int, *, threshold: int = 31, own: bool = False) -> None:
    slug = "decided-here" if own else f"list-{threshold}"
    add_entry(case, algorithm="pdq", distance=distance, slug=slug, trust="standard")
    Match.objects.filter(pk=Match.objects.latest("pk").pk).update(threshold=threshold)
    if own:
        HashList.objects.filter(slug=slug).update(own=True)


def test_the_nearest_match_counts_and_not_the_worst() -> None:
    case = make_case(near=True)  # 12 bits of 31
    assert confidence(case) == pytest.approx(1 + 19 / 62)
    near(case, 30)
    assert confidence(case) == pytest.approx(1 + 19 / 62)
    near(case, 2)
    assert confidence(case) == pytest.approx(1 + 29 / 62)


def test_a_threshold_counts_with_the_distance_of_its_own_match() -> None:
    case = Case.objects.create(harm_class="csam")
    near(case, 8, threshold=10)
    near(case, 30, threshold=31)
    assert confidence(case) == pytest.approx(1 + 2 / 62)


def test_what_was_decided_here_counts_only_where_no_list_speaks() -> None:
    case = Case.objects.create(harm_class="csam")
    near(case, 1, own=True)
    assert confidence(case) == pytest.approx(1 + 30 / 62)
    near(case, 21)
    assert confidence(case) == pytest.approx(1 + 10 / 62)


def test_an_exact_match_of_a_file_lends_a_near_one_nothing() -> None:
    """A match of digests has threshold 0 and distance 0: it says nothing of what is near."""
    case = Case.objects.create(harm_class="csam")
    add_entry(case, slug="decided-here", trust="standard")
    HashList.objects.filter(slug="decided-here").update(own=True)
    near(case, 31)
    assert confidence(case) == pytest.approx(1.0)


# --- reach ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("entries", "revisions", "reach"),
    [(0, 0, 1), (1, 1, 1), (10, 1, 2), (100, 1, 3), (10, 10, 2.5), (100, 10, 3.5)],
)
def test_reach_grows_with_entries_and_half_as_much_with_revisions(
    entries: int, revisions: int, reach: float
) -> None:
    assert priorities.reach(entries=entries, revisions=revisions) == pytest.approx(reach)


def test_a_case_in_more_revisions_comes_before_one_in_a_single_one() -> None:
    one, two = make_case(entries=2), make_case()
    add_entry(two, revision=make_revision("r2"))
    assert rated(two) > rated(one)
    assert list(Case.objects.by_priority()) == [two, one]
    [row, _] = listing.rows([two, one], now=database_now())
    told = row.sum
    assert told["reach"] == pytest.approx(1 + math.log10(2) * 1.5)
    assert told["confidence"] == pytest.approx(2)
    product = told["severity"] * told["confidence"] * told["reach"] * told["liveness"]
    assert product == pytest.approx(two.priority)
