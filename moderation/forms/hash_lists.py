"""Loading a version of a hash list: the file and how it is to be read."""

import json
from typing import Any

from django import forms
from django.conf import settings

from moderation.algorithms import NAMED
from moderation.hash_lists import profiles
from moderation.hash_lists.formats import ALGORITHM_FORMATS, DELTA_FORMATS, FORMATS, PROFILE_FORMATS
from moderation.models import HashList
from moderation.models.case import HarmClass

PROFILE_CHARACTERS = 100_000
NEW = "+new"  # no slug: what the choice of lists says for one that is to be made
IN_FILE = "+file"  # no algorithm: each value comes with its own
FORMAT_WORDS = {
    "plain": "Plain: one value a line",
    "csv": "CSV, by profile",
    "vics": "VICS JSON",
    "ncmec": "NCMEC XML",
    "stopncii": "StopNCII JSON",
    "decided": "From decisions made here, no file",
}


class LoadForm(forms.Form):
    """What a list manager says about a file. Trust and the like count for a new list only.

    ``has_file``: an upload is kept already, so the field may stay empty.
    """

    # A required field may be hidden because of another answer; the server says what is missing.
    use_required_attribute = False

    file = forms.FileField(label="File", help_text="As the supplier sent it, unpacked.")
    slug = forms.ChoiceField(
        label="List", error_messages={"required": "Choose a list, or “a new list”."}
    )
    new_slug = forms.SlugField(
        label="Name of the new list",
        max_length=60,
        help_text="Short, for addresses and commands. It cannot be changed later.",
        error_messages={"invalid": "Letters, digits, hyphens and underscores only, no spaces."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    label = forms.CharField(
        label="Version", max_length=100, help_text="As the supplier calls it, or its date."
    )
    format = forms.ChoiceField(
        label="Format", choices=[(name, FORMAT_WORDS.get(name, name)) for name in FORMATS]
    )
    algorithm = forms.ChoiceField(
        label="Algorithm",
        choices=[
            ("", "Choose one"),
            (IN_FILE, "Each value comes with its own"),
            *((name, name) for name in NAMED),
        ],
        help_text="Plain lines: what the values are. CSV: what rows without an algorithm are.",
        error_messages={
            "required": "Plain lines do not say what their values are: choose the algorithm, or "
            "say that each line names its own before the value."
        },
    )
    profile = forms.ChoiceField(
        label="Profile",
        required=False,
        choices=[("", "Usual one of the format"), *((name, name) for name in profiles.BUILT_IN)],
        help_text="Which column or field holds what.",
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
        help_text="Otherwise what the file does not name is withdrawn.",
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
    negative = forms.BooleanField(
        label="Negative list: values known to be harmless",
        required=False,
        help_text="They raise no flag; they suppress matches of other lists. It cannot be changed "
        "later.",
    )
    synthetic = forms.BooleanField(
        label="Made-up values, for demos and training",
        required=False,
        help_text="Never tick this for a supplier's list: its matches are not reported for real.",
    )

    def __init__(self, *args: Any, has_file: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lists = HashList.objects.filter(own=False).order_by("slug")
        slugs = list(lists.values_list("slug", flat=True))
        self.fields["slug"].choices = [  # type: ignore[attr-defined]
            *([("", "Choose one")] if slugs else []),
            *((slug, slug) for slug in slugs),
            (NEW, "A new list"),
        ]
        self.fields["file"].required = not has_file
        self.fields["new_slug"].required = self._said("slug") == NEW
        self.fields["algorithm"].required = self._said("format") == "plain"
        self.fields["trust"].required = self._said("slug") == NEW
        if not settings.SYNTHETIC:
            del self.fields["synthetic"]  # a real installation takes no made-up list
        for field in self.fields.values():
            if isinstance(field.widget, forms.Select):
                field.widget.attrs["class"] = "form-select"
            elif isinstance(field.widget, forms.CheckboxInput):
                field.widget.attrs["class"] = "form-check-input"
            else:
                field.widget.attrs["class"] = "form-control"

    def _said(self, name: str) -> str:
        """What is answered or, on an empty form, marked; a choice always has its first one."""
        said = (
            self.data.get(name)
            if self.is_bound
            else self.get_initial_for_field(self.fields[name], name)
        )
        return str(said or ("" if self.is_bound else next(iter(self.fields[name].choices))[0]))  # type: ignore[attr-defined]

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
        if values.get("algorithm") == IN_FILE:
            values["algorithm"] = ""
        if values.get("algorithm") and file_format not in ALGORITHM_FORMATS:
            self.add_error("algorithm", "This format names its algorithms itself.")
        if (
            values.get("profile") or values.get("profile_text")
        ) and file_format not in PROFILE_FORMATS:
            self.add_error("profile", "This format takes no profile.")
        if values.get("delta") and file_format not in DELTA_FORMATS:
            self.add_error("delta", "A file of this format is always the whole list.")
        new = values.get("new_slug", "")
        if values.get("slug") == NEW and HashList.objects.filter(slug=new).exists():
            self.add_error("new_slug", "There is a list of this name: choose it under “List”.")
        return values

    def reading(self) -> dict[str, Any]:
        """Return the answers but the file, as plain values that can be signed and sent along.

        ``slug`` is the list, ``is_new`` says whether it is to be made.
        """
        values = {"synthetic": False, **self.cleaned_data}
        is_new = values["slug"] == NEW
        slug = values["new_slug"] if is_new else values["slug"]
        without = ("file", "new_slug")
        kept = {name: value for name, value in values.items() if name not in without}
        return kept | {"slug": slug, "is_new": is_new}


WORDS = {
    "say with --algorithm what they are": "choose under “Algorithm” what they are",
    "--algorithm": "“Algorithm”",
    "--delta": "“The file holds only changes”",
    "--format": "“Format”",
    "--harm-class": "“Harm class”",
    "another name with --list": "another name",
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
