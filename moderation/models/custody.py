"""The chain of custody: append-only, each event bound to the one before it by its hash (H8)."""

import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pgtrigger
from django.core.exceptions import ValidationError
from django.db import connection, models, transaction
from django.db.models import OuterRef, Q, Subquery, Value, When
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from .. import chain
from ..permissions import DECIDE, DECIDE_FINAL, role_of
from .case import Case
from .person import pseudonym_of
from .triggers import NoTruncate

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CHAIN_LOCK = 0x43555354  # one writer at a time, until its transaction ends
SALT_BYTES = 16
SEEN_EVERY = 2000  # events
LINK_OR_HASH = re.compile(
    r"://|\bwww\.|\b[0-9a-f]{32,}\b"
    r"|[^\W_]\.(?:[^\W\d_]{2,}|xn--[\w-]+)(?::\d+)?/\S",  # a host with its end, and a path
    re.IGNORECASE,
)
HEX = re.compile(r"[0-9a-f]+")
HASH_DIGITS = {32, 40, 64}  # of MD5, SHA-1, SHA-256 and PDQ
MONTHS = {"dec", "feb"}  # a list of dates is no hash
MIXED = 3  # letters and digits that a hash has at least: one in thousands has fewer
# Letters and marks that show nothing; category Cf has the others.
FILLING = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]")
_BY_COMMAND: ContextVar[bool] = ContextVar("by_command", default=False)
PLAIN_WORDS = "Leave links and hashes out: write facts in plain words."
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # marks that show text in another order


def has_link_or_hash(text: str, *, split: bool = True) -> bool:
    """Whether a link or a whole hash is in it, however written: wide, or with what nobody sees.

    With ``split`` also a hash in groups, as 1a2b 3c4d or 1a2b-3c4d. A UUID is such a one.
    """
    shown = unicodedata.normalize("NFKC", FILLING.sub("", text))
    shown = "".join(each for each in shown if unicodedata.category(each) != "Cf")
    if LINK_OR_HASH.search(shown):
        return True
    return split and any(map(_joins_to_a_hash, _runs_of_hex(shown.lower())))


def _runs_of_hex(text: str) -> Iterator[list[str]]:
    """The words of hexadecimal digits that follow on each other, whatever stands between them."""
    run: list[str] = []
    for word in re.findall(r"[^\W_]+", text):
        if HEX.fullmatch(word) and word not in MONTHS:
            run.append(word)
        else:
            yield run
            run = []
    yield run


def _joins_to_a_hash(run: list[str]) -> bool:
    """Whether some of the words, one after the other, have as many digits as a hash."""
    for first in range(len(run)):
        joined = ""
        for word in run[first:]:
            joined += word
            if len(joined) > max(HASH_DIGITS):
                break
            digits = sum(map(str.isdigit, joined))
            if len(joined) in HASH_DIGITS and MIXED <= digits <= len(joined) - MIXED:
                return True
    return False


def plain_words(text: str) -> None:
    """Raise ValidationError for a link or a whole hash: neither belongs in a note or a reason."""
    if has_link_or_hash(text):
        raise ValidationError(PLAIN_WORDS)
    legible(text)


def plain_reference(text: str) -> None:
    """Raise ValidationError for a link, an unbroken hash, or what is not seen.

    Somebody else wrote it, perhaps as a UUID; it is compared letter by letter, so two that look
    alike are to be alike.
    """
    if has_link_or_hash(text, split=False):
        raise ValidationError(PLAIN_WORDS)
    seen_whole(text)


def legible(text: str) -> None:
    """Raise ValidationError for text without a letter to read, or with invisible marks that turn
    its order around."""
    if text and not any(unicodedata.category(character)[0] in "LNPS" for character in text):
        raise ValidationError("There is nothing in it to read.")
    if TURNING.search(text):
        raise ValidationError(
            "Invisible marks turn the order of this text around: type it anew, without pasting."
        )


def seen_whole(text: str) -> None:
    """Raise ValidationError for text that is not legible, or has any mark in it that is not seen.

    A reference is compared letter by letter: two that look alike are to be alike.
    """
    legible(text)
    if any(unicodedata.category(character) in {"Cc", "Cf"} for character in text):
        raise ValidationError("There are invisible marks in it: type it anew, without pasting.")


@contextmanager
def by_command() -> Iterator[None]:
    """Mark the events of the block as made by command: whoever they name did not log in for them.

    The mark is in ``after``, as ``via``, so the chain covers it.
    """
    token = _BY_COMMAND.set(True)
    try:
        yield
    finally:
        _BY_COMMAND.reset(token)


@dataclass(frozen=True)
class Chain:
    """What a check of the chain found; ``broken_at`` is the first event that does not fit."""

    events: int
    head: str
    broken_at: int | None

    @property
    def intact(self) -> bool:
        return self.broken_at is None

    @property
    def head_in_groups(self) -> str:
        """The head as a log may hold it: unbroken hex is withheld there, as a picture's hash is."""
        return in_groups(self.head)


class CustodyEventManager(models.Manager["CustodyEvent"]):
    def append(
        self,
        action: str,
        subject: models.Model,
        *,
        by: "User | None",
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
        reason: str = "",
        file_sha256: str = "",
    ) -> "CustodyEvent":
        """Add one event about ``subject`` inside the caller's transaction and return it.

        ``by`` is the person acting, None for the system itself (a command, a worker, the schedule).
        Steps of a command carry a mark of their own: see ``by_command``.

        Raises TransactionManagementError outside a transaction: an event stands or falls with the
        step it describes.
        """
        if not connection.in_atomic_block:
            raise transaction.TransactionManagementError("custody needs the step's transaction")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHAIN_LOCK])
        last = self.order_by("-seq").first()
        event = CustodyEvent(
            seq=last.seq + 1 if last else 1,
            prev_hash=bytes(last.hash) if last else chain.FIRST,
            at=timezone.now(),
            actor=pseudonym_of(by) if by else "system",
            role=role_of(by) if by else "",
            action=action,
            object_type=subject._meta.model_name or "",
            object_id=str(subject.pk),
            before=chain.stored(before or {}),
            after=chain.stored((after or {}) | ({"via": "command"} if _BY_COMMAND.get() else {})),
            reason=reason,
            file_sha256=file_sha256,
            salt=secrets.token_bytes(SALT_BYTES),
        )
        event.hash = event.computed_hash()
        event.save(force_insert=True)
        return event

    def readable_by(self, user: "User") -> "models.QuerySet[CustodyEvent]":
        """The events this person may read: all, but for those about cases that they may answer.

        Who may answer a case learns nothing of what others did with it while it is in work, as on
        the page of the case: a lead reads what is with the leads.
        """
        events = self.all()
        if not user.has_perm(DECIDE):
            return events
        readable: list[str] = [Case.State.CLOSED]
        if user.has_perm(DECIDE_FINAL):
            readable += Case.FOR_LEADS
        # Looked up event by event: a list of all cases in work takes longer than the page.
        number = When(object_type="case", then=Cast("object_id", models.BigIntegerField()))
        # What is part of another case is told when that is: it shows the same picture.
        state = Case.objects.filter(pk=OuterRef("case_no")).values(
            told=Coalesce("merged_into__state", "state")
        )
        return events.annotate(
            case_no=models.Case(number),
            case_state=Coalesce(Subquery(state), Value(Case.State.CLOSED.value)),
        ).filter(~Q(object_type="case") | Q(actor=pseudonym_of(user)) | Q(case_state__in=readable))

    def holds(self, *, events: int | None = None, head: str | None = None) -> bool:
        """Return whether the chain still holds what was noted of it: so many events, this head.

        A chain cut at its end, or written anew, is intact in itself; only a note kept elsewhere
        tells. Given both, the event of that number must carry that hash.
        """
        noted = self.all()
        if events is not None:
            noted = noted.filter(seq=events)
        if head is not None:
            noted = noted.filter(hash=bytes.fromhex(head))
        return noted.exists() or (not events and head in (None, chain.FIRST.hex()))

    def check_chain(self, *, seen: Callable[[int], None] | None = None) -> Chain:
        """Recompute every hash from the first event on and return what was found.

        ``seen`` is told every SEEN_EVERY events how many are checked.
        """
        previous, broken_at, checked = chain.FIRST, None, 0
        for seq, event in enumerate(self.order_by("seq").iterator(chunk_size=2000), 1):
            fits = (
                event.seq == seq
                and bytes(event.prev_hash) == previous
                and event.computed_hash() == bytes(event.hash)
            )
            if not fits:
                broken_at = event.seq
                break
            previous, checked = bytes(event.hash), seq
            if seen is not None and not seq % SEEN_EVERY:
                seen(seq)
        # Of an intact chain as many as the head is of: it may have grown meanwhile.
        events = checked if broken_at is None else self.count()
        return Chain(events=events, head=previous.hex(), broken_at=broken_at)


class CustodyEvent(models.Model):
    """Who did what to which object, when. Ids and codes only, never a body, URL or caption."""

    seq = models.PositiveBigIntegerField(primary_key=True)
    prev_hash = models.BinaryField()
    hash = models.BinaryField()
    at = models.DateTimeField()
    actor = models.CharField(max_length=40, help_text="A pseudonym, or system.")
    role = models.CharField(max_length=200, blank=True)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=40)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.CharField(max_length=500, blank=True)
    file_sha256 = models.CharField(max_length=64, blank=True)
    salt = models.BinaryField(default=b"", db_default=b"", help_text="None in the oldest events.")

    objects = CustodyEventManager()

    class Meta:
        ordering = ["seq"]
        indexes = [
            models.Index(fields=["action", "seq"], name="custody_action"),
            models.Index(fields=["actor", "seq"], name="custody_actor"),
            models.Index(fields=["object_type", "seq"], name="custody_kind"),
            models.Index(fields=["object_type", "object_id", "seq"], name="custody_object"),
            models.Index(fields=["at"], name="custody_at"),
            models.Index(KeyTransform("level", "after"), name="custody_level"),
            models.Index(KeyTransform("exact_match", "after"), name="custody_exact"),
            models.Index(KeyTransform("case", "after"), name="custody_case"),
            models.Index(
                fields=["reason"], opclasses=["varchar_pattern_ops"], name="custody_reason"
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            NoTruncate(name="never_emptied"),
        ]

    def __str__(self) -> str:
        return f"custody event {self.seq}"

    def content(self) -> dict[str, Any]:
        """What the hash covers besides the hash before it, as it is written and taken out."""
        return {
            "seq": self.seq,
            "at": _utc(self.at),
            "actor": self.actor,
            "role": self.role,
            "action": self.action,
            "object": [self.object_type, self.object_id],
            "before": self.before,
            "after": self.after,
            "reason": self.reason,
            "file_sha256": self.file_sha256,
        }

    def computed_hash(self) -> bytes:
        """SHA-256 over the previous hash and the event, 32 bytes."""
        return chain.linked(bytes(self.prev_hash), self.content(), bytes(self.salt))


def in_groups(head: str) -> str:
    """Return a hash in groups of eight digits, for people to read and to compare."""
    return "-".join(head[at : at + 8] for at in range(0, len(head), 8))


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
