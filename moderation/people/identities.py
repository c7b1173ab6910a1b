"""Who somebody is at the identity provider: one subject there belongs to one person here.

An operator records the subject, or the mail address of a person who has never signed in: then the
first sign-in with that address, verified by the provider, writes the subject down. From then on the
subject alone counts, so that an address which somebody else is given later opens nothing.
"""

from collections.abc import Mapping
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from moderation.models import CustodyEvent

from . import members

SUBJECT_CHARACTERS = 191  # what the table holds


class SignInRefused(Exception):
    """The sign-in opens nothing; ``code`` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def offered() -> str:
    """Return the name on the button, empty where no identity provider is set up."""
    return settings.OIDC_NAME if settings.OIDC_ISSUER else ""


def subject_of(person: User) -> str:
    """Return the person's subject at the provider of the settings, empty for none."""
    found = SocialAccount.objects.filter(user=person, provider=settings.OIDC_ISSUER).first()
    return found.uid if found else ""


@transaction.atomic
def record_subject(person: User, subject: str, *, by: User) -> bool:
    """Write down who the person is at the provider, or nobody; return whether that is new.

    Raises:
        PermissionDenied: for oneself, or by somebody who may not.
        PersonRefused: another person has the subject.
    """
    person = members.to_change(person, by=by)
    mine = SocialAccount.objects.filter(user=person, provider=settings.OIDC_ISSUER)
    if subject == subject_of(person):
        return False
    if len(subject) > SUBJECT_CHARACTERS:
        raise members.PersonRefused(f"A subject has {SUBJECT_CHARACTERS} characters at most.")
    mine.delete()
    if not subject:
        CustodyEvent.objects.append("identity_removed", person, by=by)
        return True
    if not _write(person, subject):
        raise members.PersonRefused("Somebody else has this subject already.")
    CustodyEvent.objects.append("identity_recorded", person, by=by, after={"told_by": "operator"})
    return True


def person_of(claims: Mapping[str, Any]) -> User:
    """Return the person whom the provider's claims are about, by subject, else by mail address.

    Raises SignInRefused for nobody here and for somebody switched off, which is recorded.
    """
    known = SocialAccount.objects.filter(provider=settings.OIDC_ISSUER, uid=claims["sub"]).first()
    person = known.user if known else _by_mail(claims)
    if person is None:
        raise SignInRefused("unknown")
    if not person.is_active:
        with transaction.atomic():
            CustodyEvent.objects.append(
                "sign_in_refused", person, by=None, reason="the person is switched off"
            )
        raise SignInRefused("switched_off")
    if known is None:
        with transaction.atomic():
            if not _write(person, claims["sub"]):
                raise SignInRefused("unknown")  # two first sign-ins at once, by two subjects
            CustodyEvent.objects.append(
                "identity_recorded", person, by=None, after={"told_by": "mail_address"}
            )
    return person


def showed_second_step(claims: Mapping[str, Any]) -> bool:
    """Return whether the claims say that the provider saw a second step that counts here.

    OIDC_SECOND_STEP names which do, as ``amr=mfa`` or ``acr=LEVEL``; empty, none does.
    """
    for wanted in settings.OIDC_SECOND_STEP:
        name, _, value = wanted.partition("=")
        said = claims.get(name)
        if value and (said == value or (isinstance(said, list) and value in said)):
            return True
    return False


def _by_mail(claims: Mapping[str, Any]) -> User | None:
    """Whoever has the verified address, alone, and is nobody at the provider yet."""
    mail = claims.get("email")
    if not isinstance(mail, str) or not mail or claims.get("email_verified") is not True:
        return None
    found = list(User.objects.filter(email__iexact=mail)[:2])
    if len(found) != 1 or subject_of(found[0]):
        return None
    return found[0]


def _write(person: User, subject: str) -> bool:
    """Write the subject down; False where the person or the subject has another already."""
    User.objects.select_for_update(no_key=True).get(pk=person.pk)
    if subject_of(person):
        return False
    try:
        with transaction.atomic():
            SocialAccount.objects.create(user=person, provider=settings.OIDC_ISSUER, uid=subject)
    except IntegrityError:
        return False
    return True
