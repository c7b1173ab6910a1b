"""Who belongs to the installation: adding a person, changing roles, switching off and on again.

An operator gives access but never has it: a password is chosen by its person alone, nobody changes
themselves, and each of these steps stands in the chain of custody.
"""

import re
from collections.abc import Iterable

from django.contrib.auth.models import Group, User
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connections, transaction
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from rest_framework.authtoken.models import Token

from moderation.models import CustodyEvent, Person
from moderation.models.person import pseudonym_of
from moderation.permissions import (
    AUDIT_VIEW,
    ROLES,
    USER_MANAGE,
    assignable_by,
    role_of,
)

from . import leaving, sessions

# Whoever acts audits nothing: not their own acts, nor others' answers while a case is open.
AUDITING = {name for name, held in ROLES.items() if AUDIT_VIEW in held}
OPERATOR = "operator"
PSEUDONYM = re.compile(r"[A-Za-z][A-Za-z0-9-]{2,19}")
TAKEN_WORDS = {"system"}  # what the chain calls itself


class PersonRefused(Exception):
    """The person cannot be added or changed like this; the message says why."""


@transaction.atomic
def add(*, login: str, pseudonym: str, mail: str = "", roles: Iterable[str] = (), by: User) -> User:
    """Make a login without a password, under a pseudonym that stays; return the person.

    Raises:
        PermissionDenied: by somebody who manages no people.
        PersonRefused: a login, pseudonym or mail address in use, or roles that may not be given.
    """
    if not by.has_perm(USER_MANAGE):
        raise PermissionDenied
    names = set(roles)
    _see_that_free(login, mail)
    _see_that_allowed(names, names, by=by)
    if not PSEUDONYM.fullmatch(pseudonym) or pseudonym.lower() in TAKEN_WORDS:
        raise PersonRefused(
            "A pseudonym has 3 to 20 letters, digits and dashes, and begins with a letter."
        )
    if pseudonym.lower() == login.lower():
        raise PersonRefused("A pseudonym must not be the login: others see it.")
    if Person.objects.filter(pseudonym__iexact=pseudonym).exists():
        raise PersonRefused("Somebody has this pseudonym already.")
    person = User(username=login, email=mail)
    person.set_unusable_password()
    try:
        with transaction.atomic():
            person.save()
            Person.objects.create(user=person, pseudonym=pseudonym)
    except IntegrityError:
        raise PersonRefused("Somebody took this login or pseudonym just now.") from None
    person.groups.set(Group.objects.filter(name__in=names))
    CustodyEvent.objects.append(
        "person_created", person, by=by, after={"roles": role_of(person), "mail": bool(mail)}
    )
    return person


@transaction.atomic
def make_first_operator(login: str) -> tuple[User, tuple[str, str] | None]:
    """Make somebody an operator where there is none yet, or a superuser no more than one.

    Return the person, and for a new one the two parts of the link to choose a password by.

    Raises:
        PersonRefused: there is an operator, who adds the others.
    """
    person = User.objects.select_for_update(no_key=True).filter(username=login).first()
    operators = User.objects.filter(is_active=True, is_superuser=False, groups__name=OPERATOR)
    if operators.exists() and not (person is not None and person.is_superuser):
        raise PersonRefused("There is an operator already: they add people under Team.")
    if person is None:
        person = User(username=login)
        person.set_unusable_password()
        person.save()
        pseudonym_of(person)
        event, before, link = "person_created", {}, _link_to(person)
    else:
        event, link = "person_changed", None
        before = {"roles": role_of(person)} | ({"superuser": True} if person.is_superuser else {})
    after = {"superuser": False} if "superuser" in before else {}
    person.is_superuser = person.is_staff = False
    person.save(update_fields=["is_superuser", "is_staff"])
    person.groups.set(Group.objects.filter(name=OPERATOR))
    CustodyEvent.objects.append(
        event, person, by=None, before=before, after={"roles": role_of(person)} | after
    )
    return person, link


def has_superuser(using: str = "default") -> bool:
    """Whether somebody who can log in holds every capability there is."""
    tables = connections[using].introspection.table_names()
    everybody = User.objects.using(using).filter(is_superuser=True, is_active=True)
    return User._meta.db_table in tables and everybody.exists()


@transaction.atomic
def change(person: User, *, login: str, mail: str, roles: Iterable[str], by: User) -> bool:
    """Set the person's login, mail address and roles; return whether that changed anything.

    Cases in their hands that the roles no longer let them work on go back to the queue.

    Raises:
        PermissionDenied: for oneself, or by somebody who may not.
        PersonRefused: a login or mail address in use, or roles that may not be given or taken.
    """
    person = to_change(person, by=by)
    names, before = set(roles), set(person.groups.values_list("name", flat=True))
    _see_that_free(login, mail, but=person)
    _see_that_allowed(names ^ before, names, by=by)
    said_before, said = {"roles": role_of(person)}, dict[str, str]()
    if login != person.username:
        said["login"] = "renamed"
    if mail != person.email:
        said["mail"] = "changed" if mail and person.email else "recorded" if mail else "removed"
    if not said and names == before:
        return False
    person.username, person.email = login, mail
    person.save(update_fields=["username", "email"])
    person.groups.set(Group.objects.filter(name__in=names))
    leaving.let_go_of_what_is_past(person, by=by)
    CustodyEvent.objects.append(
        "person_changed", person, by=by, before=said_before, after={"roles": role_of(person)} | said
    )
    return True


@transaction.atomic
def switch_off(person: User, *, by: User) -> bool:
    """Keep the person out: cases go back, sessions end, the token of the API goes.

    Returns False where that was so already. Raises PermissionDenied for oneself.
    """
    person = to_change(person, by=by)
    if not person.is_active:
        return False
    person.is_active = False
    person.save(update_fields=["is_active"])
    leaving.let_everything_go(person, by=by)
    withdraw_token(person, by=by)
    _say_active(person, False, by=by)
    return True


@transaction.atomic
def switch_on(person: User, *, by: User) -> bool:
    """Let the person in again, with the roles they had; False where they were not kept out."""
    person = to_change(person, by=by)
    if person.is_active:
        return False
    person.is_active = True
    person.save(update_fields=["is_active"])
    _say_active(person, True, by=by)
    return True


@transaction.atomic
def make_link(person: User, *, by: User) -> tuple[str, str]:
    """Return the two parts of a link, good once and for a day, to choose a password by."""
    person = to_change(person, by=by, own=True)
    CustodyEvent.objects.append("password_link_made", person, by=by)
    return _link_to(person)


@transaction.atomic
def end_sessions(person: User, *, by: User) -> int:
    """End every session of somebody else and return how many ended."""
    person = to_change(person, by=by)
    ended = sessions.end_all(person)
    if ended:
        CustodyEvent.objects.append("sessions_ended", person, by=by, after={"sessions": ended})
    return ended


@transaction.atomic
def make_token(person: User, *, by: User) -> str:
    """Make a token of the API, which ends the one before it; return its key."""
    withdraw_token(person, by=by)
    key = Token.objects.create(user=person).key
    CustodyEvent.objects.append("token_created", person, by=by)
    return key


@transaction.atomic
def withdraw_token(person: User, *, by: User) -> bool:
    """Take the person's token of the API away; False where there was none."""
    person = to_change(person, by=by, own=True)
    if not Token.objects.filter(user=person).delete()[0]:
        return False
    CustodyEvent.objects.append("token_deleted", person, by=by)
    return True


@transaction.atomic
def note_identity_shown(person: User, *, by: User) -> None:
    """Record that somebody who manages no people looked up who is behind a pseudonym."""
    CustodyEvent.objects.append("identity_shown", person, by=by)


def may_change(person: User, *, by: User) -> bool:
    """Return whether ``by`` manages people and this one: a superuser's login is a superuser's."""
    return by.has_perm(USER_MANAGE) and (by.is_superuser or not person.is_superuser)


def to_change(person: User, *, by: User, own: bool = False) -> User:
    """Return the person's row, locked with that of whoever acts, for whoever may change it now.

    Of two who switch each other off at once the second waits here, and may no longer.
    """
    rows = User.objects.select_for_update(no_key=True).filter(pk__in={person.pk, by.pk})
    locked = {row.pk: row for row in rows.order_by("pk")}
    if person.pk == by.pk and not own:
        raise PermissionDenied
    if not may_change(locked[person.pk], by=locked[by.pk]):
        raise PermissionDenied
    return locked[person.pk]


def offered_to(by: User) -> list[str]:
    """The roles that this person may give and take, in the order of the table of roles."""
    allowed = set(ROLES) if by.is_superuser else assignable_by(by)
    return [name for name in ROLES if name in allowed]


def _link_to(person: User) -> tuple[str, str]:
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    return uid, default_token_generator.make_token(person)


def _see_that_free(login: str, mail: str, *, but: User | None = None) -> None:
    others = User.objects.exclude(pk=but.pk) if but else User.objects.all()
    if others.filter(username__iexact=login).exists():
        raise PersonRefused("Somebody has this login already.")
    if mail and others.filter(email__iexact=mail).exists():
        raise PersonRefused("Somebody has this mail address already.")


def _see_that_allowed(changed: set[str], names: set[str], *, by: User) -> None:
    if not changed <= set(offered_to(by)):
        raise PersonRefused("You may not give or take one of these roles.")
    if names & AUDITING and names - AUDITING:
        raise PersonRefused("Nobody audits what they do themselves: take auditor alone, or others.")


def _say_active(person: User, active: bool, *, by: User) -> None:
    CustodyEvent.objects.append(
        "person_changed", person, by=by, before={"active": not active}, after={"active": active}
    )
