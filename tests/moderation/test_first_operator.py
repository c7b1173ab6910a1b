"""The first operator is made by a command, and nobody is a superuser in production."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.test import Client

from moderation import checks
from moderation.models import CustodyEvent

pytestmark = pytest.mark.django_db
DEFAULT = ["default"]


def said(*words: str) -> str:
    out = StringIO()
    call_command("make_operator", *words, stdout=out)
    return out.getvalue()


def test_a_new_one_chooses_a_password_by_a_link(client: Client) -> None:
    told = said("olga")
    person = User.objects.get()
    assert list(person.groups.values_list("name", flat=True)) == ["operator"]
    assert not person.is_superuser
    assert not person.has_usable_password()
    assert person.person.pseudonym in told
    path = told.split()[-1]
    page = client.get(path, follow=True)
    form = {"new_password1": "calm-water-42", "new_password2": "calm-water-42"}
    client.post(page.redirect_chain[-1][0], form)
    assert client.login(username="olga", password="calm-water-42")
    event = CustodyEvent.objects.earliest("seq")
    assert (event.action, event.actor) == ("person_created", "system")
    assert event.after == {"roles": "operator", "via": "command"}


def test_there_is_one_first_operator(operator: User) -> None:
    with pytest.raises(CommandError, match="they add people under Team"):
        said("olga")
    assert User.objects.count() == 1


def test_a_name_that_is_none() -> None:
    with pytest.raises(CommandError, match="valid username"):
        said("olga !")
    assert not User.objects.exists()


def test_a_superuser_becomes_an_operator_and_no_more(
    operator: User, login: Callable[[User], Client]
) -> None:
    root = User.objects.create_superuser("root", password="calm-water-42")
    assert login(root).get("/audit/").status_code == 200
    said("root")
    root = User.objects.get(username="root")
    assert (root.is_superuser, root.is_staff, root.check_password("calm-water-42")) == (
        False,
        False,
        True,
    )
    assert login(root).get("/audit/").status_code == 403
    assert login(root).get("/team/").status_code == 200
    event = CustodyEvent.objects.get(action="person_changed")
    assert event.before == {"roles": "", "superuser": True}
    assert event.after == {"roles": "operator", "superuser": False, "via": "command"}


def test_production_refuses_a_superuser(settings: Any) -> None:
    root = User.objects.create_superuser("root")
    assert checks.nobody_may_everything(None, databases=DEFAULT) == []  # of a desk, or a demo
    settings.PRODUCTION = True
    [error] = checks.nobody_may_everything(None, databases=DEFAULT)
    assert error.id == "breakwater.E010"
    assert "make_operator" in error.msg
    with pytest.raises(SystemCheckError, match="E010"):
        call_command("check", databases=DEFAULT)
    with pytest.raises(SystemCheckError, match="E010"):
        call_command("migrate", verbosity=0, skip_checks=False)
    User.objects.filter(pk=root.pk).update(is_active=False)
    assert checks.nobody_may_everything(None, databases=DEFAULT) == []
    User.objects.filter(pk=root.pk).update(is_active=True)
    said("root")  # the way out is open
    assert checks.nobody_may_everything(None, databases=DEFAULT) == []


def test_a_database_without_tables_is_let_through(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PRODUCTION = True
    monkeypatch.setattr(
        "django.db.backends.base.introspection.BaseDatabaseIntrospection.table_names",
        lambda *_, **__: [],
    )
    assert checks.nobody_may_everything(None, databases=DEFAULT) == []
