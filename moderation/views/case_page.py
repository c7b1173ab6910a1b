"""Everything the case page shows, gathered in a fixed number of queries however large the group."""

import uuid
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.paginator import Page
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from moderation.evidence import sealing
from moderation.forms.note import NoteForm
from moderation.forms.review import (
    AnswerForm,
    AssignForm,
    HandOverForm,
    HoldForm,
    LegalHoldForm,
    ReopenForm,
    SendBackForm,
    SkipForm,
)
from moderation.models import (
    Case,
    CustodyEvent,
    Decision,
    Entry,
    Match,
    Preview,
    Review,
    Wellness,
)
from moderation.permissions import CASE_ASSIGN, DECIDE, DECIDE_FINAL, LEGAL_HOLD, URL_RAW
from moderation.review import (
    answers,
    budget,
    company,
    decisions,
    exposure,
    handing,
    keeping,
    merging,
    noting,
    offers,
    policy,
    queue,
    reasons,
    withdrawn,
)

from . import case_story, case_why, consequences, words
from .domains import domain_of
from .paging import page_of, query_without
from .people import person_of

ENTRIES = 25
MATCHES = 20
TEXT_CHARACTERS = 4000
SCALE = {"pdq": 64, "phash": 16}  # bits, a quarter of all; unrelated pictures lie near half of them
SCALE_WIDTH = 200  # units of the drawing


@dataclass(frozen=True)
class Evidence:
    """One match, with its place on the scale of distances; or exact ones that differ in nothing
    but the algorithm."""

    match: Match
    alike: list[Match]
    scale: int | None
    at: float
    threshold_at: float

    @property
    def bits(self) -> int:
        """How many bits the hash has."""
        return 4 * self.scale if self.scale is not None else 0


def show(
    request: HttpRequest,
    case: Case,
    *,
    form: AnswerForm | None = None,
    entry: Entry | None = None,
    status: int = 200,
    asides: dict[str, Form] | None = None,
    **more: Any,
) -> HttpResponse:
    """Render the case page; it goes on record where the person does not hold the case.

    ``more``: conflict, draft, ticket, level, drawing, refused, unsealed, hold_form, reopen_form,
    assign_form;
    ``asides``: the forms of what one does instead of answering, where they were sent and wrong.
    """
    user = person_of(request)
    entry = entry or entry_of(case, request.GET.get("entry"))
    context = frame(case, user=user) | stage(case, entry, user=user)
    held = context["held"]
    if not held:
        record_view(case, by=user)
    if entry is not None:
        context |= evidence(entry) | {"siblings": case_why.siblings(case, entry)}
    if held:
        form = form or fresh_form(case, user=user)
        context["offers"] = offered(case, context, form)
        context["reason_need"] = reason_need(form, context["offers"])
        context["alike"] = merging.alike(case, entry, by=user) if entry is not None else []
        context["ready"] = reasons.ready()
        context["asides"] = aside_forms(case, user=user) | (asides or {})
    standing = [] if context["blind"] else earlier(case)
    decision = None if context["blind"] else case.decisions.standing().last()
    context |= {
        "group": worded(page_of(request, group(case), size=ENTRIES)),
        "query": query_without(request, "page"),
        "history": case_story.history(case, user=user, blind=context["blind"]),
        "history_most": case_story.EVENTS,
        "reopening": case_story.reopening(case),
        "loss": withdrawn.loss(case),
        "notes": noting.notes_of(case, by=user, blind=context["blind"]),
        "note_form": NoteForm() if noting.may_note(case, by=user) else None,
        "policy": policy.policy(),
        "earlier": standing,
        "own_answer": next((each for each in standing if each.reviewer_id == user.pk), None),
        "decision": decision,
        "agreement": case_story.agreement(standing) if case.state in Case.FINISHED else "",
        "kept": decision is not None and decision.verdict == Decision.Verdict.CLEARED,
        "form": form,
        "may_unmask": user.has_perm(URL_RAW),
        "hold_form": LegalHoldForm() if user.has_perm(LEGAL_HOLD) else None,
        "reopen_form": ReopenForm() if may_reopen(case, user=user) else None,
        "assign_form": assign_form(case, context, user=user),
        "code_open": not context["blind"] and decisions.code_is_open(case),
        "undoable": answers.undoable(by=user),
        "may_decide": user.has_perm(DECIDE),
        "company": company.hint(case, by=user),
        "why_not": "" if held else queue.why_not(case, user=user),
        "may_take_over": context["takeable"] and queue.fit_for(user).filter(pk=case.pk).exists(),
    }
    answer = render(request, "moderation/case_detail.html", context | more, status=status)
    answer["Cache-Control"] = "no-store"
    return answer


def frame(case: Case, *, user: User) -> dict[str, Any]:
    """The case, whether this person holds it and for how long, and whether they must stay blind.

    Blind means: nothing of what others did with the case. A lead who decides sees all, and so
    does everybody once the case is closed.
    """
    now = queue.database_now()
    live = case.lease_expires_at is not None and case.lease_expires_at > now
    own = live and case.leased_by_id == user.pk
    held = own and case.lease_kind == Case.Lease.WORK
    takeable = live and not own and user.has_perm(DECIDE_FINAL)
    deciding = case.state in Case.FOR_LEADS and user.has_perm(DECIDE_FINAL)
    expires = case.lease_expires_at if held else None
    return {
        "case": case,
        "now": now,
        "held": held,
        "on_hold": own and case.lease_kind == Case.Lease.HOLD,
        "handed": own and case.lease_kind == Case.Lease.HANDED,
        "note": handing.note_on(case, by=user) if own else "",
        "live": live,
        "takeable": takeable,
        # Who may be the second person learns nothing of who is the first, not even a pseudonym.
        "held_by": case.leased_by if takeable and keeping.named(case) else None,
        "seconds_left": int((expires - now).total_seconds()) if expires is not None else 0,
        "blind": not deciding and not told(case),
        "stage": queue.STAGE.get(Case.State(case.state), ""),
        "reach": answers.reach(case),
    }


def told(case: Case) -> bool:
    """Whether everybody may read what was answered: it is decided, and so is what it is part of."""
    if case.state != Case.State.MERGED:
        return case.state == Case.State.CLOSED
    root = Case.objects.get(pk=merging.root_of(case.pk))
    return root.state == Case.State.CLOSED


def stage(case: Case, entry: Entry | None, *, user: User) -> dict[str, Any]:
    """The preview stage: which levels are open, which locked and why, and looks so far."""
    return {
        "entry": entry,
        "levels": exposure.levels(case, entry, by=user) if entry is not None else [],
        "views": exposure.views(case, by=user),
        "budget": budget.standing(by=user),
        "drawing_first": case.harm_class in Wellness.objects.of(user).drawings,
        "look_wait": exposure.seconds_to_rest(by=user),
        "look_seconds": settings.L3_SECONDS,
        "look_pause": settings.L3_PAUSE_SECONDS,
        "look_rest": settings.CASES_AFTER_L3,
        "advice": exposure.advice(case),
    }


def entry_of(case: Case, pk: object = None) -> Entry | None:
    """The entry of the group that was asked for, else one with a preview, else the first."""
    entries = Entry.objects.filter(flag__case=case).select_related("revision__dataset", "shard")
    text = str(pk or "")
    if text.isdecimal() and len(text) < 19:  # no more than the column can hold
        asked = entries.filter(pk=int(text)).first()
        if asked is not None:
            return asked
    shown = Preview.objects.filter(entry__flag__case=case).order_by("entry").values("entry")[:1]
    return entries.filter(pk__in=shown).first() or entries.order_by("flag__pk").first()


def evidence(entry: Entry) -> dict[str, Any]:
    """The matches of one entry and what is known of it without a picture."""
    matches = Match.objects.filter(flag__entry=entry).select_related(
        "version__hash_list", "known_hash"
    )
    shown, count = list(matches[:MATCHES]), matches.count()
    return {
        "matches": _joined(shown),
        "why": case_why.explained(shown),
        "others": case_why.others(entry),
        "lost_hashes": set(withdrawn.lost(matches).values_list("known_hash", flat=True)),
        "match_count": count,
        "more_matches": count > len(shown),
        "outcome_words": words.reason(entry.reason),
        "domain": domain_of(text_of(entry, "url")),
        "url_prefix": _prefix(entry.url_key),
        "digests": [
            (name, _prefix(value))
            for name in ("md5", "sha1", "sha256", "pdq")
            if (value := getattr(entry, name)) is not None
        ],
    }


def text_of(entry: Entry, name: str) -> str:
    """One sealed text of an entry, cut to what a page can bear; empty where there is none."""
    try:
        text = sealing.open_text(entry.sealed).get(name) or ""
    except sealing.Unreadable:
        return "(the sealed text does not open; tell an operator)"
    return text.encode("utf-8", "replace").decode()[:TEXT_CHARACTERS]


def group(case: Case) -> Any:
    """The entries of the case in a fixed order."""
    return (
        Entry.objects.filter(flag__case=case)
        .select_related("revision__dataset", "shard")
        .defer("sealed", "pdq_bands")
        .order_by("flag__pk")
    )


def may_reopen(case: Case, *, user: User) -> bool:
    """Whether this person may have the case decided anew."""
    return case.state in Case.FINISHED and user.has_perm(DECIDE_FINAL)


def worded(entries: Page[Entry]) -> Page[Entry]:
    """The page of entries, each with ``outcome_words``."""
    for entry in entries:
        entry.outcome_words = words.reason(entry.reason)  # type: ignore[attr-defined]
    return entries


def earlier(case: Case) -> list[Review]:
    """The answers that count in this round, oldest first: for a lead, or once it is decided.

    Each with ``levels_used``: which previews its person looked at.
    """
    answers = list(case.reviews.standing().select_related("reviewer__person").order_by("pk"))
    looks = case.reveals.filter(opened_at__isnull=False).order_by()
    seen = set(looks.values_list("reviewer", "level").distinct())
    for review in answers:
        levels = sorted(level for who, level in seen if who == review.reviewer_id)
        used = ", ".join(f"L{level}" for level in levels) or "no picture"
        review.levels_used = used  # type: ignore[attr-defined]
    return answers


def fresh_form(case: Case, *, user: User) -> AnswerForm:
    """A form for the holder; what they had written before comes back."""
    review = case.reviews.filter(reviewer=user, ended="").last()
    return AnswerForm(initial=initial(case) | (review.draft if review is not None else {}))


def aside_forms(case: Case, *, user: User) -> dict[str, Form]:
    """The empty forms of what the holder may do instead of answering."""
    return {
        "hold": HoldForm(),
        "hand_over": HandOverForm(receivers=handing.receivers(case, by=user)),
        "skip": SkipForm(),
        "send_back": SendBackForm(),
    }


def assign_form(case: Case, context: dict[str, Any], *, user: User) -> AssignForm | None:
    """For a lead, of a case in work that nobody holds; None where there is nobody to name."""
    if context["live"] or case.state not in Case.IN_WORK or not user.has_perm(CASE_ASSIGN):
        return None
    receivers = handing.receivers(case, by=user)
    return AssignForm(receivers=receivers) if receivers.exists() else None


def initial(case: Case) -> dict[str, Any]:
    """What an answer is given against, with a new idempotency key."""
    return {
        "token": case.lease_token,
        "edit_no": case.edit_no,
        "idempotency_key": uuid.uuid4().hex,
        "harm_class": case.harm_class,
        "then": "next",
    }


def offered(case: Case, context: dict[str, Any], form: AnswerForm) -> list[dict[str, Any]]:
    """The answers with key, words and consequence, in their fixed order; a removal with the
    classes it may have and the one it has now."""
    chosen = {form["answer"].value(): form["harm_class"].value()}
    facts = consequences.facts(case, context, [] if context["blind"] else earlier(case))
    return [
        {
            "key": number,
            "code": offer.answer.value,
            "label": offer.answer.label,
            "locked": offer.locked,
            "explain": offer.explain,
            "classes": " ".join(offer.classes),
            "removes_as": offer.classes,
            "now_as": chosen.get(offer.answer.value) or _usual(offer, case),
            "names_a_case": offer.answer == Review.Answer.DUPLICATE_OF,
            "consequence": consequences.of(offer.answer, facts),
        }
        for number, offer in enumerate(offers.offers(case, stage=context["stage"]), start=1)
    ]


def _usual(offer: offers.Offer, case: Case) -> str:
    """The class that a removal has where nobody chose one: its only one, else that of the case."""
    return offer.classes[0] if len(offer.classes) == 1 else case.harm_class


def reason_need(form: AnswerForm, offers: list[dict[str, Any]]) -> str:
    """Whether a written reason is needed, as far as it can be said before the answer changes."""
    chosen = [offer for offer in offers if offer["code"] == form["answer"].value()]
    explained = any(offer["explain"] and not offer["locked"] for offer in chosen or offers)
    if not explained:
        return "optional"
    return "required" if chosen else "needed for some answers"


def record_view(case: Case, *, by: User) -> None:
    """Put on record that somebody who does not hold the case has opened its page."""
    with transaction.atomic():
        CustodyEvent.objects.append("case_viewed", case, by=by, after={"state": case.state})


def _joined(matches: list[Match]) -> list[Evidence]:
    """The matches in their order; exact ones that tell the same are told once."""
    found: dict[object, list[Match]] = {}
    for match in matches:
        known = match.known_hash
        where = (match.version_id, match.scan_id, match.origin, match.variant)
        said = (known.scheme, known.category, known.removed_in_id, match.algorithm_version)
        found.setdefault((where, said) if match.exact else match.pk, []).append(match)
    return [_on_scale(alike) for alike in found.values()]


def _on_scale(alike: list[Match]) -> Evidence:
    match = alike[0]
    scale = SCALE.get(match.algorithm)
    if scale is None:
        return Evidence(match, alike, None, 0, 0)
    unit = SCALE_WIDTH / scale
    return Evidence(
        match,
        alike,
        scale,
        min(match.distance, scale) * unit,
        min(match.threshold, scale) * unit,
    )


def _prefix(value: bytes | memoryview | None) -> str:
    return bytes(value)[:4].hex() if value is not None else ""
