"""The filters above the queue, and the reason of a pin."""

from collections.abc import Sequence
from typing import Any

from django import forms

from moderation.models import Case, HashList, Revision
from moderation.models.case import HarmClass, Triage
from moderation.models.custody import plain_words


def _any(
    *choices: tuple[str, str], first: str = "Any", label: str | None = None
) -> forms.ChoiceField:
    return forms.ChoiceField(required=False, choices=[("", first), *choices], label=label)


class QueueFilter(forms.Form):
    """The filters of the queue, as they stand in the address; a wrong one is left out, and said."""

    FIRST = ("state", "triage", "match", "list", "revision")  # the others open beside them

    state = _any(*((s.value, s.label) for s in Case.State), first="In work")
    triage = _any(*((t.value, t.label) for t in Triage))
    match = _any(("exact", "Exact"), ("near", "Near only"))
    list = forms.ModelChoiceField(HashList.objects.all(), required=False, empty_label="Any")
    revision = forms.ModelChoiceField(
        Revision.objects.select_related("dataset"), required=False, empty_label="Any"
    )
    trust = _any(
        ("trusted", "A trusted list"),
        ("standard", "A standard list at best"),
        ("trial", "Trial lists only"),
        label="Trust",
    )
    harm_class = _any(*((h.value, h.label) for h in HarmClass), label="Harm class")
    category = _any(
        ("iwf:a", "IWF A"),
        ("iwf:b", "IWF B"),
        ("iwf:c", "IWF C"),
        ("iwf:prohibited", "IWF prohibited"),
        ("ncmec:a1", "NCMEC A1"),
        ("ncmec:a2", "NCMEC A2"),
        ("ncmec:b1", "NCMEC B1"),
        ("ncmec:b2", "NCMEC B2"),
        ("arachnid:csam", "Arachnid csam"),
        ("arachnid:harmful-abusive-material", "Arachnid harmful-abusive-material"),
        label="Category, as a list says",
    )
    distance = _any(
        ("0", "0 bits"),
        ("1", "1 to 10 bits"),
        ("11", "11 to 20 bits"),
        ("21", "21 to 31 bits"),
        ("32", "32 bits and more"),
        label="Distance, near only",
    )
    entries = _any(
        ("1", "1 entry"),
        ("2", "2 to 9"),
        ("10", "10 to 99"),
        ("100", "100 to 999"),
        ("1000", "1,000 and more"),
        label="Size of the group",
    )
    link = _any(
        ("live", "A link answered"),
        ("gone", "All links are gone"),
        ("unknown", "Not known"),
        label="Links, when last asked",
    )
    age = _any(
        ("day", "Opened in the last 24 h"),
        ("week", "Opened in the last 7 days"),
        ("older", "Older than 7 days"),
        ("oldest", "Older than 30 days"),
        label="Age",
    )
    due = _any(("over", "Over"), ("soon", "Over, or within 24 h"), label="Due")
    who = _any(
        ("me", "Yours: in work, on hold, handed to you"),
        ("hold", "On hold"),
        ("held", "In work"),
        ("nobody", "Nobody holds it"),
        label="Who has it",
    )
    pinned = _any(("yes", "Pinned"), label="Pinned by a lead")

    def chosen(self) -> dict[str, Any]:
        """Return the filters that were understood."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    def first(self) -> Sequence[forms.BoundField]:
        return [self[name] for name in self.FIRST]

    def others(self) -> Sequence[forms.BoundField]:
        return [field for field in self if field.name not in self.FIRST]

    @property
    def others_chosen(self) -> bool:
        return bool(set(self.chosen()) - set(self.FIRST))


class PinForm(forms.Form):
    """Why a case is to come first."""

    pin_reason = forms.CharField(
        label="Why it comes first",
        max_length=300,
        validators=[plain_words],
        widget=forms.TextInput(
            attrs={"class": "form-control", "dir": "auto", "autocomplete": "off"}
        ),
        help_text="Leads read it, and it goes on record. No links, no hashes, no names.",
    )
