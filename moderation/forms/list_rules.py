"""The rules of a hash list, and taking one of its values out of use."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.utils import timezone

from moderation.models import HashList
from moderation.models.custody import plain_words

CONTROL = {"class": "form-control", "autocomplete": "off"}


class ListRulesForm(forms.Form):
    """What of a list's matches raises flags."""

    threshold = forms.IntegerField(
        label="Near up to",
        min_value=0,
        max_value=47,
        widget=forms.NumberInput(attrs=CONTROL),
        help_text="Largest PDQ distance, in bits of 256, that is a near match. 31 is usual; "
        "the more, the longer each look-up takes, and the more pictures that are not the same.",
    )
    sample = forms.FloatField(
        label="Sample",
        required=False,
        min_value=0,
        max_value=100,
        widget=forms.NumberInput(attrs=CONTROL | {"step": "any"}),
        help_text="Per cent of matching entries that are flagged; the others are counted only. "
        "Empty: all of them, and of a trial list none.",
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, hash_list: HashList) -> None:
        ratio = hash_list.sample_ratio
        sample = None if ratio is None else round(ratio * 100, 6)
        super().__init__(data, initial={"threshold": hash_list.threshold, "sample": sample})
        if hash_list.negative:
            del self.fields["sample"]  # it flags nothing

    def rules(self) -> dict[str, Any]:
        """Return the answers as the list keeps them."""
        said = self.cleaned_data
        rules: dict[str, Any] = {"threshold": said["threshold"]}
        if "sample" in self.fields:
            # Of a zero the sign is dropped.
            rules["sample_ratio"] = None if said["sample"] is None else said["sample"] / 100 + 0.0
        return rules


class DisableForm(forms.Form):
    """Why a value is not to be used, and until when."""

    note = forms.CharField(
        label="Why",
        max_length=300,
        validators=[plain_words],
        widget=forms.TextInput(attrs=CONTROL | {"dir": "auto"}),
        help_text="Goes on record. Facts only: no links, no hashes.",
    )
    until = forms.DateField(
        label="Until",
        required=False,
        widget=forms.DateInput(attrs=CONTROL | {"type": "date"}),
        help_text="In force again from that day on, UTC. Empty: until somebody lifts it.",
    )

    def clean_until(self) -> datetime | None:
        day = self.cleaned_data["until"]
        if day is None:
            return None
        until = datetime.combine(day, time(), UTC)
        if until <= timezone.now():
            raise forms.ValidationError("Choose a day to come.")
        return until
