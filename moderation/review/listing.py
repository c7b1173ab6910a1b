"""What the queue page shows: its figures, and one page of cases with its facts.

Figures are of one person: what they can take comes first, all else is told apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, Min, Q, Sum, Value
from django.db.models.functions import Now

from moderation.models import Case, CaseTally, Flag, HashList, Match, Review
from moderation.models.case import AGE_DOUBLES, CaseQuerySet, Triage
from moderation.review import keeping, queue, withdrawn
from moderation.review.decisions import PERCEPTUAL
from moderation.scanning import priorities

LEAST = 1_000_000
COUNTED = 1000  # what is due is counted up to here


@dataclass
class Row:
    """One case as the table shows it."""

    case: Case
    held: bool
    now: datetime
    entries: int = 0
    links: int = 0
    revisions: int = 0
    lists: list[str] = field(default_factory=list)
    exact: int = 0
    near: int = 0
    nearest: int | None = None
    withdrawn: bool = False

    @property
    def link_state(self) -> str:
        """What is known of its links: live, gone or unknown."""
        return self.case.facet("link") or "unknown"

    @property
    def named(self) -> bool:
        """Whether a lead reads who holds it."""
        return keeping.named(self.case)

    @property
    def sum(self) -> dict[str, float]:
        """The factors of the priority as `priorities.rate` weighed them and as age has grown, and
        what they come to now."""
        severity = priorities.SEVERITY[Triage(self.case.triage)]
        reach = priorities.reach(entries=self.entries, revisions=self.revisions)
        liveness = priorities.LIVENESS[self.link_state]
        age = 2 ** ((self.now - self.case.opened_at) / timedelta(days=AGE_DOUBLES))
        return {
            "severity": severity,
            "confidence": self.case.priority / (severity * reach * liveness),
            "reach": reach,
            "liveness": liveness,
            "age": age,
            "now": self.case.priority * age,
        }


def figures(user: User, *, classes: list[str] | None = None) -> dict[str, Any]:
    """Return what waits, as this person finds it.

    ``first``, ``second``, ``lead``: cases they can take now, by the turn; ``yours`` their sum,
    ``oldest`` (datetime or None) and ``due`` (within 24 hours or over) of them, counted no further
    than COUNTED: ``due_goes_on`` says whether there are more. ``held``: the case they work on;
    ``kept``: how many they have on hold or were handed. Of the others in work: ``others_hold``,
    ``you_answered``, ``you_passed_on``, ``you_left`` (as they may know somebody concerned),
    ``for_leads``; ``waiting`` is all there is in work.

    ``classes`` as for `queue.offered_to`.

    No case is counted for it but those that somebody holds and those that the person answered or
    passed on: the rest is what the tally has more than these.
    """
    classes = queue.classes_of(user) if classes is None else classes
    counts = _counts(user, classes)
    states = queue.states_of(user)

    def of(what: str, *among: str) -> int:
        return sum(counts.get((state, what), 0) for state in among)

    def free(*among: str) -> int:
        mine = [state for state in among if state in states]
        others = ("kept", "own", "held", "answered", "left", "passed_on")
        return of("all", *mine) - sum(of(what, *mine) for what in others)

    first, second = free(Case.State.OPEN), free(Case.State.PROPOSED)
    lead = free(*Case.FOR_LEADS)
    waiting, yours = of("all", *Case.IN_WORK), first + second + lead
    held, answered = of("held", *Case.IN_WORK), of("answered", *Case.IN_WORK)
    own, kept = of("own", *Case.IN_WORK), of("kept", *Case.IN_WORK)
    passed_on, left = of("passed_on", *states), of("left", *states)
    workable = queue.offered_to(user, classes=classes)
    oldest = [
        workable.filter(state=state).order_by("opened_at").values_list("opened_at").first()
        for state in states
    ]
    soon = Now() + timedelta(hours=24)
    due = workable.filter(due_at__lte=soon)[: COUNTED + 1].count()
    return {
        "yours": yours,
        "first": first,
        "second": second,
        "lead": lead,
        "oldest": min((found[0] for found in oldest if found), default=None),
        "due": min(due, COUNTED),
        "due_goes_on": due > COUNTED,
        "waiting": waiting,
        "others_hold": held,
        "you_answered": answered,
        "you_passed_on": passed_on,
        "you_left": left,
        "kept": kept,
        "for_leads": waiting - yours - held - answered - left - passed_on - kept - own,
        "held": Case.objects.worked_on_by(user).first(),
    }


def _counts(user: User, classes: list[str]) -> dict[tuple[str, str], int]:
    """By state: all cases in work; of these the person's own and held by others; and of those that
    are free what the person answered, what else they left to others for good, and what else they
    passed on.

    One statement, so that the figures are of one moment and come to a whole.
    """
    in_work = Q(
        state__in=[str(state) for state in Case.IN_WORK],
        harm_class__in=classes,
    )
    leased = Case.objects.filter(in_work).leased()
    answers = Review.objects.standing().filter(reviewer=user)
    free = Case.objects.filter(in_work).unleased()
    answered = free.filter(pk__in=answers.values("case"))
    concerned = Review.objects.concerned().filter(reviewer=user)
    others = free.exclude(pk__in=answers.values("case"))
    left = others.filter(pk__in=concerned.values("case"))
    passed_on = Review.objects.passed_on().filter(reviewer=user)
    passed = others.filter(pk__in=passed_on.values("case")).exclude(pk__in=concerned.values("case"))
    own = leased.filter(leased_by=user)
    parts = [
        ("all", CaseTally.objects.filter(in_work), Sum("cases")),
        ("own", own.filter(lease_kind=Case.Lease.WORK), Count("pk")),
        ("kept", own.exclude(lease_kind=Case.Lease.WORK), Count("pk")),
        ("held", leased.exclude(leased_by=user), Count("pk")),
        ("answered", answered, Count("pk")),
        ("left", left, Count("pk")),
        ("passed_on", passed, Count("pk")),
    ]
    rows = [
        part.order_by().annotate(what=Value(what)).values_list("state", "what").annotate(n=count)
        for what, part, count in parts
    ]
    return {(state, what): n for state, what, n in rows[0].union(*rows[1:], all=True)}


@dataclass(frozen=True)
class OfTrust:
    """What waits of one level of trust; ``due`` is within 24 hours or over, and up to COUNTED."""

    trust: str
    waiting: int
    held: int
    oldest: datetime | None
    due: int
    due_goes_on: bool


def by_trust(classes: list[str]) -> list[OfTrust]:
    """Return the figures of all cases in work by the trust of their lists, the most trusted first;
    of these harm classes. Only what is due or held is counted, the rest is in the tally."""
    in_work = Q(
        state__in=[str(state) for state in Case.IN_WORK],
        harm_class__in=classes,
    )
    tally = dict(
        CaseTally.objects.filter(in_work).values_list("trust").annotate(n=Sum("cases")).order_by()
    )
    cases = Case.objects.filter(in_work)
    held = dict(cases.leased().values_list("trust").annotate(n=Count("pk")).order_by())
    soon = Now() + timedelta(hours=24)
    told = []
    for trust in HashList.Trust.values:
        if not tally.get(trust):
            continue
        of_trust = cases.filter(trust=trust)
        oldest = of_trust.order_by("opened_at").values_list("opened_at", flat=True).first()
        due = of_trust.filter(due_at__lte=soon)[: COUNTED + 1].count()
        told.append(
            OfTrust(
                trust=trust,
                waiting=tally[trust],
                held=held.get(trust, 0),
                oldest=oldest,
                due=min(due, COUNTED),
                due_goes_on=due > COUNTED,
            )
        )
    return told


def overdue(classes: list[str]) -> int:
    """Return how many cases are past their due date, of these classes; up to COUNTED + 1."""
    cases = Case.objects.in_work().filter(harm_class__in=classes)
    return cases.filter(due_at__lte=Now())[: COUNTED + 1].count()


_TALLIED = ("triage", "harm_class", "trust")


def total(filters: dict[str, Any], *, classes: list[str]) -> int | None:
    """Return how many cases of these classes fit filters that the tally knows; None with others."""
    if set(filters) - {"state", *_TALLIED}:
        return None
    states = [filters["state"]] if filters.get("state") else Case.IN_WORK
    tally = CaseTally.objects.filter(state__in=states, harm_class__in=classes)
    tally = tally.filter(**{name: filters[name] for name in _TALLIED if filters.get(name)})
    return tally.total()


@dataclass
class Part:
    """Some cases of a long table, and whether there are any before and behind them.

    ``behind``, ``ahead``: the case that the next part goes on from, and the part before.
    ``looked``: how many cases were looked at without finding enough, None where all was seen.
    ``total``: how many there are in all, where that is known.
    """

    cases: list[Case]
    more_before: bool
    more_behind: bool
    behind: int | None = None
    ahead: int | None = None
    looked: int | None = None
    total: int | None = None

    def __post_init__(self) -> None:
        if self.cases:
            self.behind = self.behind or self.cases[-1].pk
            self.ahead = self.ahead or self.cases[0].pk


def part(
    cases: CaseQuerySet,
    *,
    after: Case | None,
    before: Case | None,
    size: int,
    along: CaseQuerySet | None = None,
    most: int = 0,
) -> Part:
    """Return up to ``size`` cases in the order of work: behind a case, before one, or the first.

    A place is found by its case, so page 40,000 takes no longer than page 1, and no case is shown
    twice or left out because others came or went meanwhile. ``along``: of which cases no more than
    ``most`` are looked at from there; ``cases`` are some of them.
    """
    if before is not None:
        end = _end(None if along is None else along.before(before).by_priority().reverse(), most)
        fitting = cases.before(before)
        fitting = fitting.after(end) if end is not None else fitting
        found = list(fitting.by_priority().reverse()[: size + 1])
        if len(found) > size:
            return Part(found[size - 1 :: -1], more_before=True, more_behind=True)
        if end is not None:
            return Part(
                found[::-1], more_before=True, more_behind=True, ahead=end.pk,
                behind=None if found else before.pk, looked=most,
            )  # fmt: skip
    elif after is not None:
        found, end = _onwards(
            cases.after(after), None if along is None else along.after(after), most, size
        )
        if found or end is not None:
            return _forwards(found, end, size=size, most=most, more_before=True, ahead=after.pk)
    found, end = _onwards(cases, along, most, size)
    return _forwards(found, end, size=size, most=most, more_before=False)


def _onwards(
    cases: CaseQuerySet, along: CaseQuerySet | None, most: int, size: int
) -> tuple[list[Case], Case | None]:
    end = _end(None if along is None else along.by_priority(), most)
    fitting = cases.before(end) if end is not None else cases
    return list(fitting.by_priority()[: size + 1]), end


def _forwards(
    found: list[Case], end: Case | None, *, size: int, most: int, more_before: bool,
    ahead: int | None = None,
) -> Part:  # fmt: skip
    part = Part(found[:size], more_before=more_before, more_behind=len(found) > size)
    part.ahead = part.ahead or ahead
    if end is not None and len(found) <= size:
        part.more_behind, part.looked, part.behind = True, most, end.pk
    return part


def _end(walk: CaseQuerySet | None, most: int) -> Case | None:
    """The case up to which a walk goes; None where it comes to its own end before that."""
    if walk is None:
        return None
    return next(iter(walk[most : most + 1]), None)


def rows(cases: Sequence[Case], *, now: datetime) -> list[Row]:
    """Return the facts of these cases in their order, in three queries however many there are."""
    by_pk = {
        case.pk: Row(
            case, held=case.lease_expires_at is not None and case.lease_expires_at > now, now=now
        )
        for case in cases
    }
    groups = (
        Flag.objects.filter(case__in=by_pk)
        .values("case")
        .annotate(
            entries=Count("pk"),
            links=Count("entry__url_key", distinct=True),
            revisions=Count("entry__revision", distinct=True),
        )
    )
    for group in groups:
        row = by_pk[group["case"]]
        row.entries, row.links = group["entries"], group["links"]
        row.revisions = group["revisions"]
    matches = (
        Match.objects.filter(flag__case__in=by_pk)
        .order_by("version__hash_list__slug")
        .values("flag__case", "version__hash_list__slug", "version__hash_list__own", "algorithm")
        .annotate(count=Count("pk"), least=Min("distance"))
    )
    for match in matches:
        row = by_pk[match["flag__case"]]
        if match["version__hash_list__slug"] not in row.lists:
            row.lists.append(match["version__hash_list__slug"])
        if match["algorithm"] in PERCEPTUAL:
            row.near += match["count"]
            row.nearest = min(match["least"], LEAST if row.nearest is None else row.nearest)
        elif not match["version__hash_list__own"]:
            row.exact += match["count"]
    lost = withdrawn.lost(Match.objects.supplied().filter(flag__case__in=by_pk))
    for pk in lost.values_list("flag__case", flat=True).distinct():
        by_pk[pk].withdrawn = True
    return list(by_pk.values())
