"""Giving a grant: for which classes, up to which preview, how long, after which training."""

from django import forms

from moderation.models import Grant
from moderation.models.case import HarmClass
from moderation.models.grant import CASE_DAYS, PREVIEW_DAYS


class GrantForm(forms.Form):
    classes = forms.MultipleChoiceField(
        label="Harm classes",
        choices=HarmClass.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Name at least one harm class."},
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
        initial=PREVIEW_DAYS,
        help_text=f"At most {PREVIEW_DAYS} with previews, {CASE_DAYS} without.",
        widget=forms.NumberInput(attrs={"class": "form-control"}),
    )
    trained_on = forms.DateField(
        label="Training took place on",
        required=False,
        help_text="Needed for previews.",
        widget=forms.DateInput(attrs={"class": "form-control", "type": "date"}),
    )
    wellbeing_checked = forms.BooleanField(
        label="A wellbeing check took place",
        required=False,
        help_text="Needed to renew previews. Nothing of what was said belongs here.",
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )
