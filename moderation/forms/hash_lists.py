"""Loading a version of a hash list: the file and how it is to be read."""

import json
from typing import Any

from django import forms
from django.conf import settings

from moderation.algorithms import ALGORITHMS
from moderation.hash_lists import profiles
from moderation.hash_lists.formats import ALGORITHM_FORMATS, DELTA_FORMATS, FORMATS, PROFILE_FORMATS
from moderation.models import HashList
from moderation.models.case import HarmClass

PROFILE_CHARACTERS = 100_000
FORMAT_WORDS = {
    "plain": "Plain: one value a line",
    "csv": "CSV, by profile",
    "vics": "VICS JSON",
    "ncmec": "NCMEC XML",
    "stopncii": "StopNCII JSON",
}


class LoadForm(forms.Form):
    """What a list manager says about a file. Trust and the like count for a new list only."""

    file = forms.FileField(label="File", help_text="As the supplier sent it, unpacked.")
    slug = forms.SlugField(
        label="List",
        max_length=60,
        help_text="The short name of the list. A name not in use makes a new list.",
        error_messages={"invalid": "Letters, digits, hyphens and underscores only, no spaces."},
        widget=forms.TextInput(attrs={"list": "slugs", "autocomplete": "off"}),
    )
    label = forms.CharField(
        label="Version", max_length=100, help_text="As the supplier calls it, or its date."
    )
    format = forms.ChoiceField(
        label="Format", choices=[(name, FORMAT_WORDS.get(name, name)) for name in FORMATS]
    )
    algorithm = forms.ChoiceField(
        label="Algorithm",
        required=False,
        choices=[("", "As the file says"), *((name, name) for name in ALGORITHMS)],
        help_text="Only for plain and CSV files that do not say it.",
    )
    profile = forms.ChoiceField(
        label="Profile",
        required=False,
        choices=[("", "Usual one of the format"), *((name, name) for name in profiles.BUILT_IN)],
    )
    profile_text = forms.CharField(
        label="Profile of your own",
        required=False,
        max_length=PROFILE_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="JSON: which column holds what. Takes the place of the profile above.",
    )
    delta = forms.BooleanField(
        label="The file holds only changes",
        required=False,
        help_text="NCMEC and StopNCII alone. Otherwise what the file does not name is withdrawn.",
    )
    trust = forms.ChoiceField(
        label="Trust", choices=HashList.Trust.choices, initial=HashList.Trust.STANDARD
    )
    owner = forms.CharField(label="Owner", max_length=200, required=False)
    harm_class = forms.ChoiceField(
        label="Harm class",
        required=False,
        choices=[("", "As each value says"), *HarmClass.choices],
        help_text="For values without a category.",
    )
    synthetic = forms.BooleanField(label="Made-up values, for demos and training", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["synthetic"].initial = settings.SYNTHETIC
        for field in self.fields.values():
            if isinstance(field.widget, forms.Select):
                field.widget.attrs["class"] = "form-select"
            elif isinstance(field.widget, forms.CheckboxInput):
                field.widget.attrs["class"] = "form-check-input"
            else:
                field.widget.attrs["class"] = "form-control"

    def clean_profile_text(self) -> str:
        text: str = self.cleaned_data["profile_text"].strip()
        if not text:
            return ""
        try:
            profiles.profile_from(json.loads(text))
        except (ValueError, RecursionError):
            raise forms.ValidationError("This is not JSON.") from None
        except profiles.ProfileInvalid as invalid:
            raise forms.ValidationError(in_words(str(invalid))) from None
        return text

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        file_format = values.get("format", "")
        if values.get("algorithm") and file_format not in ALGORITHM_FORMATS:
            self.add_error("algorithm", "This format names its algorithms itself.")
        if (
            values.get("profile") or values.get("profile_text")
        ) and file_format not in PROFILE_FORMATS:
            self.add_error("profile", "This format takes no profile.")
        if values.get("delta") and file_format not in DELTA_FORMATS:
            self.add_error("delta", "A file of this format is always the whole list.")
        return values

    def reading(self) -> dict[str, Any]:
        """Return the answers but the file, as plain values that can be signed and sent along."""
        return {name: value for name, value in self.cleaned_data.items() if name != "file"}


WORDS = {
    "--algorithm": "“Algorithm”",
    "--delta": "“The file holds only changes”",
    "--format": "“Format”",
    "--harm-class": "“Harm class”",
    "--profile": "“Profile”",
    "--trust": "“Trust”",
    "--version label": "“Version”",
    "--version": "“Version”",
}


def in_words(message: str) -> str:
    """Return a message written for the command line with the names that the form uses."""
    for option, words in WORDS.items():
        message = message.replace(option, words)
    return f"{message[:1].upper()}{message[1:]}."
