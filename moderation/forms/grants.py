"""Giving a grant: for which classes, up to which preview, how long; and recording a training."""

from typing import Any

from django import forms

from moderation.models import Grant
from moderation.models.case import HarmClass
from moderation.models.custody import plain_words
from moderation.models.fetch_grant import FETCH_DAYS
from moderation.models.grant import CASE_DAYS, PREVIEW_DAYS

DAYS = {
    "required": "Say for how many days.",
    "invalid": "Write a whole number of days.",
    "min_value": "A grant holds for a day at least.",
    "max_value": "A grant holds for %(limit_value)s days at most.",
}


class GrantForm(forms.Form):
    classes = forms.MultipleChoiceField(
        label="Harm classes",
        choices=HarmClass.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": "Name at least one harm class.",
            "invalid_choice": "That is no harm class. Load the page again.",
        },
    )
    level = forms.TypedChoiceField(
        label="Previews",
        choices=Grant.Level.choices,
        coerce=int,
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    days = forms.IntegerField(
        label="For how many days",
        min_value=1,
        max_value=CASE_DAYS,
        error_messages=DAYS,
        initial=PREVIEW_DAYS,
        help_text=f"At most {PREVIEW_DAYS} with previews, {CASE_DAYS} without.",
        widget=forms.NumberInput(attrs={"class": "form-control"}),
    )
    wellbeing_checked = forms.BooleanField(
        label="A wellbeing check took place",
        required=False,
        help_text="Needed to renew previews. Nothing of what was said belongs here.",
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )


class FetchGrantForm(forms.Form):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # It stands on one page with the other grant's form.
        super().__init__(*args, **({"auto_id": "fetch_%s"} | kwargs))

    days = forms.IntegerField(
        label="For how many days",
        min_value=1,
        max_value=FETCH_DAYS,
        error_messages=DAYS,
        initial=FETCH_DAYS,
        help_text=f"At most {FETCH_DAYS}.",
        widget=forms.NumberInput(attrs={"class": "form-control"}),
    )


class TrainingForm(forms.Form):
    what = forms.CharField(
        label="Training",
        max_length=120,
        validators=[plain_words],
        widget=forms.TextInput(attrs={"class": "form-control"}),
    )
    held_on = forms.DateField(
        label="Took place on",
        widget=forms.DateInput(attrs={"class": "form-control", "type": "date"}),
    )
    until = forms.DateField(
        label="Counts until",
        required=False,
        help_text="Left empty: a year.",
        widget=forms.DateInput(attrs={"class": "form-control", "type": "date"}),
    )
