"""What people type or choose at the queue and at a case."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import QueryDict

from moderation.models import Preview, Review
from moderation.models.case import HarmClass
from moderation.models.custody import plain_words
from moderation.review import exposure, handing
from moderation.review.decisions import BY_LEAD
from moderation.review.passing import SkipReason

REASON_CHARACTERS = 4000
NOTE_CHARACTERS = 300
LARGEST = 2**63 - 1  # that a number of a row can be
# Outside the form of the answer and sent with it, so that what was written there comes along.
WITH_ANSWER = {"form": "answer-form"}


class HeldForm(forms.Form):
    """Proof that the page belongs to the tab that holds the case."""

    token = forms.CharField(max_length=43, widget=forms.HiddenInput)


class AnswerForm(HeldForm):
    """An answer, with what it was given against."""

    edit_no = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    idempotency_key = forms.CharField(max_length=64, widget=forms.HiddenInput)
    answer = forms.ChoiceField(
        choices=Review.Answer.choices,
        error_messages={"required": "Choose one of the answers."},
    )
    harm_class = forms.ChoiceField(
        label="Harm class of a removal",
        required=False,
        choices=HarmClass.choices,
        widget=forms.Select(attrs={"class": "form-select"}),
        help_text="Decides whom a report goes to. Under answer 1 it is what the list says.",
    )
    duplicate_of = forms.IntegerField(
        label="Number of the other case",
        required=False,
        min_value=1,
        max_value=LARGEST,
        widget=forms.NumberInput(
            attrs={"class": "form-control", "autocomplete": "off", "list": "alike-cases"}
        ),
        help_text="One that you may open yourself. This case becomes part of it.",
    )
    reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=REASON_CHARACTERS,
        validators=[plain_words],
        widget=forms.Textarea(
            attrs={"class": "form-control", "rows": 3, "dir": "auto", "autocomplete": "off"}
        ),
        help_text="Stays inside; never part of a report. No names, links or hashes.",
    )
    then = forms.ChoiceField(required=False, choices=[("next", "Next"), ("stay", "Stay")])


class DraftForm(forms.Form):
    """An answer as it is being written: whatever of it is there."""

    answer = forms.ChoiceField(required=False, choices=Review.Answer.choices)
    harm_class = forms.ChoiceField(required=False, choices=HarmClass.choices)
    duplicate_of = forms.IntegerField(required=False, min_value=1, max_value=LARGEST)
    reason = forms.CharField(required=False, max_length=REASON_CHARACTERS)


def draft_in(sent: QueryDict) -> dict[str, Any]:
    """What was sent of an answer; what is no part of one is left out."""
    form = DraftForm(sent)
    form.is_valid()
    return {name: said for name, said in form.cleaned_data.items() if said}


def _note(label: str, help_text: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=NOTE_CHARACTERS - len(BY_LEAD),
        validators=[plain_words],
        widget=forms.Textarea(  # in a line of text, Enter would send the answer
            attrs=WITH_ANSWER
            | {"class": "form-control", "rows": 2, "dir": "auto", "autocomplete": "off"}
        ),
        help_text=help_text,
    )


class HoldForm(forms.Form):
    """For how long a case is put on hold, and why."""

    use_required_attribute = False  # it would keep the browser from sending an answer

    hours = forms.TypedChoiceField(
        label="For",
        coerce=int,
        widget=forms.Select(attrs=WITH_ANSWER | {"class": "form-select"}),
    )
    why = _note("Why", "Leads read it. No links, no hashes, no names.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        most: int = settings.HOLD_HOURS
        offered = [hours for hours in (1, 4, 8) if hours < most]
        choices = [(hours, f"{hours} h") for hours in (*offered, most)]
        self.fields["hours"].choices = choices  # type: ignore[attr-defined]


class Receiver(forms.ModelChoiceField):
    def label_from_instance(self, person: Any) -> str:
        return str(person.person.pseudonym)


class HandOverForm(forms.Form):
    """Whom a case is handed over to, and what they should know."""

    use_required_attribute = False  # as above

    receiver = Receiver(
        User.objects.none(),
        label="To",
        required=False,
        empty_label="Whoever is next",
        widget=forms.Select(attrs=WITH_ANSWER | {"class": "form-select"}),
    )
    note = _note("Note", "Whoever takes the case reads it. No links, no hashes, no names.")

    def __init__(self, *args: Any, receivers: "QuerySet[User]", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["receiver"].queryset = receivers  # type: ignore[attr-defined]


class AssignForm(forms.Form):
    """To whom a lead assigns a case that nobody holds, and what they should know."""

    receiver = Receiver(
        User.objects.none(),
        label="To",
        empty_label="Choose a person",
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    note = forms.CharField(
        label="Note",
        max_length=NOTE_CHARACTERS,
        validators=[plain_words],
        widget=forms.TextInput(
            attrs={"class": "form-control", "dir": "auto", "autocomplete": "off"}
        ),
        help_text="They read it. No links, no hashes, no names.",
    )

    def __init__(self, *args: Any, receivers: "QuerySet[User]", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "assign_%s"  # other forms of the page have a note too
        self.fields["receiver"].queryset = receivers  # type: ignore[attr-defined]
        self.fields["receiver"].error_messages["invalid_choice"] = handing.NOT_NOW


class SkipForm(forms.Form):
    """Why a case is skipped."""

    use_required_attribute = False  # as above

    skip_reason = forms.ChoiceField(
        label="Why",
        choices=SkipReason.choices,
        widget=forms.Select(attrs=WITH_ANSWER | {"class": "form-select"}),
        help_text="Where you may know somebody concerned, the case is left to others for good.",
    )


class SendBackForm(forms.Form):
    """Why a lead cancels the round and has the case answered anew."""

    use_required_attribute = False  # as above

    send_back_reason = _note("Why", "Stands on the case. No links, no hashes, no names.")


class ReopenForm(forms.Form):
    """Why a case that is closed, or part of another, is looked at anew."""

    reopen_reason = forms.CharField(
        label="Reason",
        max_length=NOTE_CHARACTERS - len(BY_LEAD),
        validators=[plain_words],
        widget=forms.TextInput(
            attrs={"class": "form-control", "dir": "auto", "autocomplete": "off"}
        ),
        help_text="Goes on record and stands on the case. No links, no hashes, no names.",
    )


class UndoForm(forms.Form):
    review = forms.IntegerField(min_value=1)


class RevealForm(forms.Form):
    entry = forms.IntegerField(min_value=1)
    level = forms.TypedChoiceField(
        coerce=int,
        choices=[
            (level.value, level.label) for level in Preview.Level if level != exposure.HELD_LEVEL
        ],
    )
    drawing = forms.BooleanField(required=False)


class EntryForm(forms.Form):
    """Which entry's sealed text is asked for."""

    entry = forms.IntegerField(min_value=1)


class LegalHoldForm(forms.Form):
    """Why a legal hold is set or lifted."""

    hold_reason = forms.CharField(
        label="Reason",
        max_length=300,
        validators=[plain_words],
        widget=forms.TextInput(
            attrs={"class": "form-control", "dir": "auto", "autocomplete": "off"}
        ),
        help_text="Goes on record and stands on the page of the case. No links, no hashes.",
    )
