"""The filters of the queue: what each asks, and that no page looks at more than its bound."""

from datetime import timedelta

import pytest
from django.utils import timezone

from moderation.models import Case
from moderation.review import filtering, holding, queue
from moderation.scanning import priorities
from tests.moderation.review.making import add_entry, make_case, make_list, make_revision

pytestmark = pytest.mark.django_db


def shown(user, *, after=None, before=None, size=25, **filters):
    part = filtering.page(
        queue.visible_to(user), filters, user=user, after=after, before=before, size=size
    )
    return [case.pk for case in part.cases]


def test_what_a_case_is_asked_for(reviewer):
    near = make_case(near=True, harm_class="non_photographic")
    add_entry(near, revision=make_revision("r2"), algorithm="pdq", distance=4, slug="tide")
    live = make_case(trust="trial")
    add_entry(live)
    live.flags.first().entry.__class__.objects.filter(flag__case=live).update(reason="fetched")
    priorities.rate(live)
    Case.objects.filter(pk=live.pk).update(harm_class="csam")
    pinned = Case.objects.create(
        harm_class="csam", pinned_at=timezone.now(), pinned_because="an order"
    )
    both = {near.pk, live.pk}
    assert shown(reviewer, list=make_list("tide").hash_list) == [near.pk]
    assert shown(reviewer, revision=make_revision("r2")) == [near.pk]
    assert shown(reviewer, distance="1") == [near.pk]
    assert shown(reviewer, distance="11") == []
    assert shown(reviewer, entries="2", category="iwf:a1") in ([*both], [*both][::-1])
    assert shown(reviewer, entries="1") == []
    assert shown(reviewer, link="live") == [live.pk]
    assert shown(reviewer, link="unknown") == [near.pk]
    assert shown(reviewer, trust="trusted") == [live.pk, near.pk] or shown(
        reviewer, trust="trusted"
    ) == [near.pk, live.pk]
    assert shown(reviewer, harm_class="non_photographic") == [near.pk]
    assert shown(reviewer, pinned="yes") == [pinned.pk]
    assert shown(reviewer, link="live", distance="1") == []


def test_age_and_due(reviewer):
    fresh = make_case(due_at=timezone.now() + timedelta(days=2))
    old = make_case(due_at=timezone.now() - timedelta(hours=1))
    Case.objects.filter(pk=old.pk).update(opened_at=timezone.now() - timedelta(days=8))
    soon = make_case(due_at=timezone.now() + timedelta(hours=23))
    assert shown(reviewer, age="older") == [old.pk]
    assert shown(reviewer, age="oldest") == []
    assert (
        set(shown(reviewer, age="week"))
        == set(shown(reviewer, age="day"))
        == {
            fresh.pk,
            soon.pk,
        }
    )
    assert shown(reviewer, due="over") == [old.pk]
    assert set(shown(reviewer, due="soon")) == {old.pk, soon.pk}


def test_who_has_it(reviewer, second_reviewer):
    cases = [make_case(priority=n) for n in (9, 8, 7)]
    queue.claim(cases[0], by=reviewer)
    held = queue.claim(cases[1], by=second_reviewer)
    assert shown(reviewer, who="me") == [cases[0].pk]
    assert shown(reviewer, who="held") == [cases[0].pk, cases[1].pk]
    assert shown(reviewer, who="nobody") == [cases[2].pk]
    holding.hold(held, by=second_reviewer, token=held.lease_token, hours=1, reason="", draft={})
    assert shown(reviewer, who="hold") == [cases[1].pk]


def test_what_many_fit_is_looked_for_along_the_order_up_to_a_bound(reviewer, monkeypatch):
    monkeypatch.setattr(filtering, "FEW", 2)
    monkeypatch.setattr(filtering, "WALKED", 5)
    for number in range(20):
        case = make_case(priority=float(100 - number))
        if number >= 12:
            add_entry(case, slug="tide")
    order = list(Case.objects.by_priority())
    tide = {"list": make_list("tide").hash_list}
    seen, place = [], None
    for _ in range(10):
        part = filtering.page(
            queue.visible_to(reviewer), tide, user=reviewer, after=place, before=None, size=3
        )
        assert part.looked == (5 if part.more_behind and len(part.cases) < 3 else None)
        seen += part.cases
        if not part.more_behind:
            break
        place = Case.objects.get(pk=part.behind)
    assert seen == order[12:]
    first = filtering.page(
        queue.visible_to(reviewer), tide, user=reviewer, after=None, before=None, size=3
    )
    assert (first.cases, first.looked, first.behind) == ([], 5, order[5].pk)
    back = filtering.page(
        queue.visible_to(reviewer), tide, user=reviewer, after=None, before=order[14], size=3
    )
    assert back.cases == order[12:14]
    assert (back.looked, back.ahead) == (5, order[8].pk)


def test_what_few_fit_is_found_behind_the_bound(reviewer, monkeypatch):
    monkeypatch.setattr(filtering, "WALKED", 2)
    for number in range(9):
        make_case(priority=float(100 - number))
    rare = [make_case(trust="trial", priority=float(9 - number)) for number in range(3)]
    part = filtering.page(
        queue.visible_to(reviewer), {"trust": "trial"}, user=reviewer,
        after=None, before=None, size=2,
    )  # fmt: skip
    assert part.cases == rare[:2]
    assert (part.more_behind, part.total, part.looked) == (True, 3, None)


def test_a_case_of_a_class_without_a_grant_is_found_by_no_filter(reviewer, login):
    from moderation.models import Grant

    case = make_case(harm_class="adult_intimate")
    Grant.objects.filter(person=reviewer).update(harm_classes=["csam"])
    for filters in ({}, {"trust": "trusted"}, {"harm_class": "adult_intimate"}, {"who": "nobody"}):
        assert case.pk not in shown(reviewer, **filters)
