"""A note on a case."""

from django import forms

from moderation.models.custody import plain_words


class NoteForm(forms.Form):
    note_text = forms.CharField(
        label="A note",
        max_length=2000,
        validators=[plain_words],
        widget=forms.Textarea(
            attrs={
                "class": "form-control",
                "rows": 3,
                "dir": "auto",
                "autocomplete": "off",
                "data-hotkey": "m",
            }
        ),
        help_text="Stays inside and cannot be changed afterwards. No links, no hashes, no names.",
    )
