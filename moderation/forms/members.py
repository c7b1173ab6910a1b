"""A person: login, pseudonym, mail address, roles."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator

from moderation.models.person import new_pseudonym
from moderation.people import members

TEXT = {"class": "form-control", "autocapitalize": "none", "spellcheck": "false"}


class ChangePersonForm(forms.Form):
    """What an operator changes of somebody; the roles offered are those the operator may give."""

    login = forms.CharField(
        label="Login",
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        widget=forms.TextInput(attrs=TEXT | {"autocomplete": "off"}),
        help_text="The name to log in with. Only who manages people sees it.",
    )
    mail = forms.EmailField(
        label="Mail address",
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs=TEXT | {"autocomplete": "off"}),
        help_text="Nothing is sent to it. Signing in at an identity provider may be told by it.",
    )
    roles = forms.MultipleChoiceField(
        label="Roles", required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, by: User, person: User | None = None, **kwargs: Any) -> None:
        if person is not None:
            held = [group.name for group in person.groups.all()]
            kwargs.setdefault(
                "initial", {"login": person.username, "mail": person.email, "roles": held}
            )
        super().__init__(*args, **kwargs)
        offered = members.offered_to(by)
        # Roles that the person holds and this operator may not touch stay as they are.
        self.kept = [name for name in self.initial.get("roles", []) if name not in offered]
        roles: Any = self.fields["roles"]
        roles.choices = [(name, name.replace("_", " ")) for name in offered]

    def clean_roles(self) -> list[str]:
        return [*self.cleaned_data["roles"], *self.kept]


class AddPersonForm(ChangePersonForm):
    pseudonym = forms.CharField(
        label="Pseudonym",
        max_length=20,
        initial=new_pseudonym,
        widget=forms.TextInput(attrs=TEXT | {"autocomplete": "off"}),
        help_text="What everybody else and the chain of custody call this person, for good.",
    )
    field_order = ["login", "pseudonym", "mail", "roles"]
