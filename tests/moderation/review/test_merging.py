"""One picture in two cases: who says so, what the entries inherit, and the way back."""

import pytest

from moderation.evidence import legal_holds
from moderation.models import Case, CustodyEvent, Entry, Flag, Match, Removal, Review
from moderation.models.case import CaseConflict
from moderation.review import answers, decisions, merging, offers, passing, queue
from tests.moderation.review.making import (
    add_entry,
    answer,
    end_grace,
    make_case,
    settled,
)

pytestmark = pytest.mark.django_db

DUPLICATE = "DUPLICATE_OF"


@pytest.fixture
def two():
    """Two cases that may show one picture; their files differ."""
    return make_case(near=True), make_case(near=True)


def same_file(case, other):
    Entry.objects.filter(flag__case=case).update(
        md5=Entry.objects.filter(flag__case=other).first().md5
    )


def decided(case, one, two, code, **fields):
    return settled(settled(case, one, code, **fields), two, code, **fields)


def merged(case, other, one, two):
    settled(case, one, DUPLICATE, duplicate_of=other.pk)
    return settled(Case.objects.get(pk=case.pk), two, DUPLICATE, duplicate_of=other.pk)


def entries_of(case):
    return set(Flag.objects.filter(case=case).values_list("entry", flat=True))


def test_the_key_of_an_answer_is_of_the_case_that_it_names(two, reviewer):
    case, other = two
    another = make_case(near=True)
    held = queue.claim(case, by=reviewer)
    said = {"token": held.lease_token, "edit_no": held.edit_no, "answer": DUPLICATE}
    said |= {"by": reviewer, "idempotency_key": "key"}
    given = answers.give(held, **said, duplicate_of=other.pk)
    assert answers.give(held, **said, duplicate_of=other.pk) == given
    with pytest.raises(CaseConflict, match="another answer"):
        answers.give(held, **said, duplicate_of=another.pk)


def test_two_people_merge_what_is_not_the_same_file(two, reviewer, second_reviewer):
    case, other = two
    all_ = entries_of(case) | entries_of(other)
    first = settled(case, reviewer, DUPLICATE, duplicate_of=other.pk)
    assert first.state == "proposed"
    assert first.reviews.get().why_another == "duplicate"
    case = settled(first, second_reviewer, DUPLICATE, duplicate_of=other.pk)
    assert (case.state, case.merged_into) == ("merged", other)
    assert (entries_of(case), entries_of(other)) == (set(), all_)
    actions = CustodyEvent.objects.filter(action__in=("case_merged", "case_joined"))
    assert [(event.object_id, event.action) for event in actions] == [
        (str(case.pk), "case_merged"),
        (str(other.pk), "case_joined"),
    ]
    assert not queue.workable_by(reviewer).filter(pk=case.pk).exists()


def test_equal_digests_take_one_person(two, reviewer):
    case, other = two
    same_file(case, other)
    assert settled(case, reviewer, DUPLICATE, duplicate_of=other.pk).state == "merged"


def test_a_file_that_the_other_has_not_takes_two(two, reviewer):
    case, other = two
    same_file(case, other)
    add_entry(case, algorithm="pdq", distance=3)
    assert settled(case, reviewer, DUPLICATE, duplicate_of=other.pk).state == "proposed"


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ({"sha256": b"a" * 32}, {"sha256": b"a" * 32}, True),
        ({"sha256": b"a" * 32, "md5": b"m" * 16}, {"sha256": b"b" * 32, "md5": b"m" * 16}, False),
        ({"sha256": b"a" * 32, "md5": b"m" * 16}, {"md5": b"m" * 16}, True),
        ({"sha1": b"s" * 20}, {"sha256": b"b" * 32, "sha1": b"s" * 20}, True),
        ({}, {}, False),
    ],
)
def test_equal_by_the_strongest_digest_that_both_have(two, ours, theirs, same):
    case, other = two
    for each, digests in ((case, ours), (other, theirs)):
        values = {"sha256": None, "sha1": None, "md5": None} | digests
        Entry.objects.filter(flag__case=each).update(**values)
    assert merging.same_files(case, other.pk) == same


def test_two_who_name_other_cases_differ(two, reviewer, second_reviewer):
    case, other = two
    third = make_case(near=True)
    case = settled(case, reviewer, DUPLICATE, duplicate_of=other.pk)
    assert settled(case, second_reviewer, DUPLICATE, duplicate_of=third.pk).state == "disputed"


def test_a_lead_decides_between_a_duplicate_and_a_removal(two, reviewer, second_reviewer, lead):
    case, other = two
    case = settled(case, reviewer, DUPLICATE, duplicate_of=other.pk)
    case = settled(case, second_reviewer, "REMOVE_KNOWN")
    assert case.state == "disputed"
    assert settled(case, lead, DUPLICATE, duplicate_of=other.pk).state == "merged"


@pytest.mark.parametrize("named", ["none", "itself", "unseen", "nowhere", "merged"])
def test_what_cannot_be_named(two, reviewer, person, named):
    case, other = two
    numbers = {"none": None, "itself": case.pk, "unseen": other.pk, "nowhere": 404404}
    if named == "merged":
        third = make_case(near=True)
        same_file(third, other)
        numbers[named] = settled(third, reviewer, DUPLICATE, duplicate_of=other.pk).pk
    if named == "unseen":
        reviewer.grants.update(harm_classes=["csam"])
        Case.objects.filter(pk=other.pk).update(harm_class="other")
    with pytest.raises(merging.NotADuplicate):
        answer(case, reviewer, DUPLICATE, duplicate_of=numbers[named])
    assert Case.objects.get(pk=case.pk).state == "open"


def test_entries_inherit_a_removal_decided_before(two, reviewer, second_reviewer, lead):
    case, other = two
    other = decided(other, reviewer, second_reviewer, "REMOVE_KNOWN")
    case = merged(case, other, reviewer, lead)
    decision = other.decisions.get()
    assert set(decision.removals.values_list("entry", flat=True)) == entries_of(other)
    assert Entry.objects.in_quarantine().count() == 2
    drafted = other.reports.live().get()
    assert set(drafted.items.values_list("entry", flat=True)) == entries_of(other)


def test_entries_inherit_a_removal_decided_after(two, reviewer, second_reviewer, lead):
    case, other = two
    merged(case, other, reviewer, second_reviewer)
    decided(other, reviewer, second_reviewer, "REMOVE_KNOWN")
    assert Removal.objects.filter(state="due").count() == 2


def test_entries_of_a_kept_case_stay_kept_where_every_known_hash_was_judged(
    two, reviewer, second_reviewer
):
    case, other = two
    known = Match.objects.get(flag__case=other).known_hash
    Match.objects.filter(flag__case=case).update(known_hash=known)
    other = decided(other, reviewer, second_reviewer, "KEEP")
    Entry.objects.filter(flag__case=case).update(quarantined_at=case.opened_at)
    merged(case, other, reviewer, second_reviewer)
    assert Case.objects.get(pk=other.pk).state == "closed"
    assert not Entry.objects.in_quarantine().exists()


def test_a_known_hash_that_nobody_judged_opens_the_kept_case(two, reviewer, second_reviewer):
    case, other = two
    other = decided(other, reviewer, second_reviewer, "KEEP")
    merged(case, other, reviewer, second_reviewer)
    other.refresh_from_db()
    assert (other.state, other.reopened_because) == ("open", "new_match")


def test_an_answer_to_the_smaller_case_is_stale(two, reviewer, second_reviewer, lead):
    case, other = two
    same_file(case, other)
    review = answer(case, reviewer, DUPLICATE, duplicate_of=other.pk)
    held = queue.claim(other, by=second_reviewer)
    end_grace(review)
    answers.settle(review.pk)
    with pytest.raises(CaseConflict, match="edit"):
        answers.give(
            held,
            by=second_reviewer,
            token=held.lease_token,
            edit_no=held.edit_no,
            answer="REMOVE_KNOWN",
            idempotency_key="late",
        )


def test_undo_brings_the_named_case_back_as_a_draft(two, reviewer):
    case, other = two
    review = answer(case, reviewer, DUPLICATE, duplicate_of=other.pk)
    answers.undo(review, by=reviewer)
    draft = Review.objects.get(ended="").draft
    assert draft == {"answer": DUPLICATE, "duplicate_of": other.pk}
    assert entries_of(case)


def test_two_cases_that_name_each_other_end_in_one(two, reviewer, second_reviewer):
    case, other = two
    same_file(case, other)
    one = answer(case, reviewer, DUPLICATE, duplicate_of=other.pk)
    two_ = answer(other, second_reviewer, DUPLICATE, duplicate_of=case.pk)
    for review in (one, two_):
        end_grace(review)
        assert answers.settle(review.pk)
    case.refresh_from_db()
    other.refresh_from_db()
    assert (case.state, case.merged_into) == ("merged", other)
    assert (other.state, other.merged_into) == ("open", None)
    assert other.reopened_because == f"merged_meanwhile case {case.pk}"
    assert len(entries_of(other)) == 2


@pytest.mark.parametrize("held", [False, True])
def test_a_case_that_waits_to_be_part_of_what_joined_it_is_answered_anew(
    two, reviewer, second_reviewer, person, held
):
    case, other = two
    third = person("tess", "reviewer")
    settled(other, reviewer, DUPLICATE, duplicate_of=case.pk)  # now waits for a second
    lease = queue.claim(Case.objects.get(pk=other.pk), by=third) if held else None
    assert merged(case, other, reviewer, second_reviewer).state == "merged"
    other.refresh_from_db()
    assert (other.state, other.reviews.standing().count()) == ("open", 0)
    assert other.reopened_because == f"merged_meanwhile case {case.pk}"
    assert not Case.objects.leased().exists()
    if lease is not None:
        assert not queue.release(other, by=third, token=lease.lease_token)
    assert queue.claim(other, by=reviewer).leased_by == reviewer


@pytest.mark.parametrize("held", [False, True])
def test_who_may_know_somebody_concerned_is_kept_from_what_a_case_joins(
    two, reviewer, second_reviewer, person, held
):
    case, other = two
    third = person("tess", "reviewer")
    lease = queue.claim(case, by=third)
    reason = passing.SkipReason.CONCERNED
    passing.skip(case, by=third, token=lease.lease_token, reason=reason)
    if held:
        queue.claim(other, by=third)
    merged(Case.objects.get(pk=case.pk), other, reviewer, second_reviewer)
    assert not Case.objects.leased().exists()
    with pytest.raises(queue.NotYours, match="left to others for good"):
        queue.claim(other, by=third)
    assert queue.claim(other, by=reviewer).leased_by == reviewer


def test_a_case_that_waits_for_another_merge_goes_on_waiting(two, reviewer, second_reviewer):
    case, other = two
    third = make_case(near=True)
    settled(other, reviewer, DUPLICATE, duplicate_of=third.pk)
    merged(case, other, reviewer, second_reviewer)
    assert Case.objects.get(pk=other.pk).state == "proposed"


def test_a_chain_ends_where_its_root_is_and_parts_again(two, reviewer, lead):
    a, b = two
    c = make_case(near=True)
    same_file(a, b)
    same_file(c, b)
    own = {each.pk: entries_of(each) for each in (a, b, c)}
    settled(a, reviewer, DUPLICATE, duplicate_of=b.pk)
    settled(b, reviewer, DUPLICATE, duplicate_of=c.pk)
    assert merging.root_of(a.pk) == c.pk
    assert entries_of(c) == own[a.pk] | own[b.pk] | own[c.pk]
    back = merging.separate(b, because="lead: another boat", by=lead)
    assert (back.state, back.merged_into) == ("open", None)
    assert entries_of(b) == own[a.pk] | own[b.pk]
    assert entries_of(c) == own[c.pk]
    merging.separate(a, because="lead: another boat", by=lead)
    assert (entries_of(a), entries_of(b)) == (own[a.pk], own[b.pk])
    with pytest.raises(CaseConflict):
        merging.separate(a, because="lead: again", by=lead)


def test_parted_from_a_removed_case_it_is_decided_anew(two, reviewer, second_reviewer, lead):
    case, other = two
    merged(case, other, reviewer, second_reviewer)
    other = decided(other, reviewer, second_reviewer, "REMOVE_KNOWN", harm_class="csam")
    report = other.reports.live().get()
    merging.separate(case, because="lead: another boat", by=lead)
    assert Removal.objects.standing().count() == 2  # nothing is restored silently
    report.refresh_from_db()
    assert report.state == "withdrawn"
    anew = other.reports.live().get()
    assert set(anew.items.values_list("entry", flat=True)) == entries_of(other)
    decided(Case.objects.get(pk=case.pk), reviewer, second_reviewer, "KEEP")
    assert set(Removal.objects.standing().values_list("entry", flat=True)) == entries_of(other)


def test_what_is_under_legal_hold_stays_a_case_of_its_own(two, reviewer, second_reviewer, lead):
    case, other = two
    same_file(case, other)
    review = answer(case, reviewer, DUPLICATE, duplicate_of=other.pk)
    legal_holds.set_hold(case, by=lead, reason="order 7")
    end_grace(review)
    answers.settle(review.pk)
    case.refresh_from_db()
    assert (case.state, case.reopened_because) == ("open", "legal_hold")
    with pytest.raises(offers.AnswerNotOffered, match="legal hold"):
        answer(case, second_reviewer, DUPLICATE, duplicate_of=other.pk)


def test_what_is_part_of_another_comes_under_no_hold_of_its_own(two, reviewer, lead):
    case, other = two
    same_file(case, other)
    case = settled(case, reviewer, DUPLICATE, duplicate_of=other.pk)
    with pytest.raises(CaseConflict):
        legal_holds.set_hold(case, by=lead, reason="order 7")


def test_nothing_leaves_a_case_under_legal_hold(two, reviewer, lead):
    case, other = two
    same_file(case, other)
    case = settled(case, reviewer, DUPLICATE, duplicate_of=other.pk)
    legal_holds.set_hold(other, by=lead, reason="order 7")
    with pytest.raises(merging.UnderHold):
        merging.separate(case, because="lead: another boat", by=lead)
    assert len(entries_of(other)) == 2


def test_a_closed_case_is_not_parted_nor_a_merged_one_just_reopened(two, reviewer, lead):
    case, other = two
    same_file(case, other)
    case = settled(case, reviewer, DUPLICATE, duplicate_of=other.pk)
    with pytest.raises(CaseConflict):
        decisions.reopen(case, because="new_match")
    with pytest.raises(CaseConflict):
        merging.separate(other, because="lead: why", by=lead)
