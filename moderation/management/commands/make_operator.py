"""The first operator, who adds everybody else; and what becomes of a superuser."""

from typing import Any

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.urls import reverse

from moderation.management.base import Command as Base
from moderation.models.custody import by_command
from moderation.models.person import pseudonym_of
from moderation.people import members


class Command(Base):
    help = (
        "Make the first operator of an installation, with a link to choose a password by: it works"
        " once, for a day. Where there is an operator it is they who add people, under Team. A"
        " superuser, who holds every capability at once, becomes an operator and no more."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("login", metavar="LOGIN", help="by which they log in")

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        login = options["login"]
        try:
            UnicodeUsernameValidator()(login)
            with by_command():
                person, link = members.make_first_operator(login)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages), returncode=2) from error
        except members.PersonRefused as refused:
            raise CommandError(str(refused)) from refused
        path = reverse("choose_password", args=link) if link else None
        return {"login": person.username, "pseudonym": pseudonym_of(person), "path": path}

    def lines(self, result: dict[str, Any]) -> list[str]:
        told = [f"{result['login']} is an operator, known to others as {result['pseudonym']}."]
        if result["path"]:
            told.append(f"To choose a password, within a day, on your site: {result['path']}")
        return told
