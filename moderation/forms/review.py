"""What people type or choose at the queue and at a case."""

from typing import Any

from django import forms

from moderation.models import Case, HashList, Preview, Review, Revision
from moderation.models.case import HarmClass, Triage
from moderation.models.custody import plain_words

REASON_CHARACTERS = 4000


class QueueFilter(forms.Form):
    """The chips above the queue, as they stand in the address; a wrong one counts as not chosen."""

    state = forms.ChoiceField(
        required=False, choices=[("", "In work"), *((s.value, s.label) for s in Case.State)]
    )
    triage = forms.ChoiceField(
        required=False, choices=[("", "Any"), *((t.value, t.label) for t in Triage)]
    )
    match = forms.ChoiceField(
        required=False, choices=[("", "Any"), ("exact", "Exact"), ("near", "Near only")]
    )
    list = forms.ModelChoiceField(HashList.objects.all(), required=False, empty_label="Any")
    revision = forms.ModelChoiceField(
        Revision.objects.select_related("dataset"), required=False, empty_label="Any"
    )

    def chosen(self) -> dict[str, Any]:
        """Return the filters that were understood."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}


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
        help_text="Decides whom a report goes to. Counts for removals only.",
    )
    reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=REASON_CHARACTERS,
        widget=forms.Textarea(
            attrs={"class": "form-control", "rows": 3, "dir": "auto", "autocomplete": "off"}
        ),
        help_text="Stays inside; never part of a report. Facts only, no names.",
    )
    then = forms.ChoiceField(required=False, choices=[("next", "Next"), ("stay", "Stay")])


class UndoForm(forms.Form):
    review = forms.IntegerField(min_value=1)


class RevealForm(forms.Form):
    entry = forms.IntegerField(min_value=1)
    level = forms.TypedChoiceField(
        coerce=int, choices=[(level.value, level.label) for level in Preview.Level]
    )


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
