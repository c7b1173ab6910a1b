"""Second factors: what proves a person besides the password, and taking all of it away again.

django-allauth keeps and checks them. Their secrets lie sealed in the database, and what it would
say by itself is said here in our words.
"""

import base64
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest

from moderation.evidence import sealing
from moderation.models import CustodyEvent

from . import members, sessions

TYPES = {
    Authenticator.Type.TOTP: "app",
    Authenticator.Type.WEBAUTHN: "passkey",
    Authenticator.Type.RECOVERY_CODES: "recovery_codes",
}
ELSEWHERE = "identity_provider"  # one that the identity provider saw, where that counts
SAID = {
    "mfa/messages/totp_activated.txt": "Your app is set up.",
    "mfa/messages/totp_deactivated.txt": "The app is no longer asked for.",
    "mfa/messages/webauthn_added.txt": "The passkey is set up.",
    "mfa/messages/webauthn_removed.txt": "The passkey is removed.",
}
CONTEXT = b"factor"


class AccountAdapter(DefaultAccountAdapter):
    """Nobody makes an account; messages are ours."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "incorrect_password": "That is not your password. Try again.",
        "too_many_login_attempts": "Too many attempts. Wait five minutes, then try again.",
        "rate_limited": "Too many attempts. Wait five minutes, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_stages(self) -> list[str]:
        return [
            "moderation.people.signing_in.SecondStepStage"
            if stage == "allauth.mfa.stages.AuthenticateStage"
            else stage
            for stage in super().get_login_stages()
        ]

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        said = message or SAID.get(message_template or "")
        if said:
            super().add_message(request, level, message=said)


class FactorAdapter(DefaultMFAAdapter):
    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "That code does not fit. Codes change every 30 seconds, and each works"
        " once: try the next one.",
        "cannot_delete_authenticator": "This is your only second step, and one is required here:"
        " set up another one first.",
        "cannot_generate_recovery_codes": "Recovery codes stand in for an app or a passkey: set up"
        " one of these first.",
    }

    def encrypt(self, text: str) -> str:
        sealed = sealing.seal(text.encode(), key=sealing.evidence_key(), context=CONTEXT)
        return base64.b64encode(sealed).decode()

    def decrypt(self, encrypted_text: str) -> str:
        sealed = base64.b64decode(encrypted_text)
        return sealing.open_(sealed, key=sealing.evidence_key(), context=CONTEXT).decode()

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        count = Authenticator.objects.filter(user=user, type=type).count()
        return f"Passkey {count + 1}"

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Whether another one is left where one is required; call it in the deleting transaction.

        Of two that are removed at once the second waits here, and finds that it is the last.
        """
        if not settings.MFA_REQUIRED:
            return True
        User.objects.select_for_update(no_key=True).get(pk=authenticator.user_id)
        others = Authenticator.objects.filter(user=authenticator.user_id, type__in=FACTORS)
        return others.exclude(pk=authenticator.pk).exists()


FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)  # recovery codes are a spare key


def has_one(person: User) -> bool:
    """Return whether the person has an app or a passkey set up."""
    return Authenticator.objects.filter(user=person, type__in=FACTORS).exists()


def shown_in(request: HttpRequest, person: User) -> str:
    """Return which second factor this session was opened with, or set up; empty for none."""
    records = get_authentication_records(request, person)
    kinds = [record.get("type") for record in records if record.get("method") == "mfa"]
    if not kinds or kinds[-1] == ELSEWHERE:
        return kinds[-1] if kinds else ""
    return TYPES[Authenticator.Type(kinds[-1])]


def note_added(request: HttpRequest, factor: Authenticator, *, by: User) -> None:
    """Record a factor that its person just set up, and thereby showed in this session."""
    record_authentication(request, by, "mfa", id=factor.pk, type=factor.type)
    _event("factor_added", factor, by=by)


def note_removed(factor: Authenticator, *, by: User) -> None:
    _event("factor_removed", factor, by=by)


def note_used(factor: Authenticator, *, by: User) -> None:
    """Record that a recovery code was used up; the other factors are said with the log-in."""
    if factor.type == Authenticator.Type.RECOVERY_CODES:
        factor.refresh_from_db()
        left = len(factor.wrap().get_unused_codes())
        CustodyEvent.objects.append("recovery_code_used", by, by=by, after={"left": left})


def note_renewed(*, by: User) -> None:
    CustodyEvent.objects.append("recovery_codes_renewed", by, by=by)


@transaction.atomic
def reset(person: User, *, by: User) -> int:
    """Take every factor of somebody who lost theirs away, end their sessions, return how many went.

    Raises:
        PermissionDenied: for one's own, which would be a way round them, or by who may not.
    """
    person = members.to_change(person, by=by)
    count: int = Authenticator.objects.filter(user=person).delete()[0]
    sessions.end_all(person)
    CustodyEvent.objects.append("factors_reset", person, by=by, before={"factors": count})
    return count


def _event(action: str, factor: Authenticator, *, by: User) -> None:
    kind = TYPES[Authenticator.Type(factor.type)]
    CustodyEvent.objects.append(action, by, by=by, after={"factor": kind})
