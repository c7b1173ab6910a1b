"""What the case page says of a near match beside its distance."""

import pytest
from django.urls import reverse

from moderation.models import Match
from tests.moderation.review.making import make_case

pytestmark = pytest.mark.django_db


@pytest.fixture
def page_says(login, reviewer):
    """Return the text of a case's page, its lines joined."""

    def of(case):
        answer = login(reviewer).get(reverse("moderation:case", args=[case.pk]))
        return " ".join(answer.content.decode().split())

    return of


def test_a_match_of_a_picture_with_little_structure_says_that_less_counts_as_near(page_says):
    case = make_case(near=True)
    assert "up to 31 the list counts as near" in page_says(case)
    assert "little structure" not in page_says(case)
    Match.objects.update(low_quality=True, threshold=8, distance=5)
    said = page_says(case)
    assert "the list counts as near" not in said
    told = "the picture has little structure (a PDQ quality below 50), so at most 8 count as near"
    assert told in said
    assert "The picture has little structure (a PDQ quality below 50), so at most 8 bits" in said


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        (0, "agrees (0 bits apart; up to 8 agree)"),
        (1, "agrees (1 bit apart; up to 8 agree)"),
        (8, "agrees (8 bits apart; up to 8 agree)"),
        (9, "does not agree (9 bits apart; up to 8 agree)"),
    ],
)
def test_the_suppliers_phash_is_told_beside_the_pdq(page_says, apart, words):
    case = make_case(near=True)
    assert "pHash" not in page_says(case)
    Match.objects.update(phash_distance=apart)
    said = page_says(case)
    assert f"The list gives a pHash of the same picture too: it {words}." in said
    assert f"of the same picture in the list: {words}" in said
