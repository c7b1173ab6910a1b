"""Recording a legal basis: why, under whose law, who answers for it, until when."""

from datetime import datetime, time

from django import forms
from django.utils import timezone

from moderation.models.custody import legible

TEXT = {"class": "form-control"}


class LegalBasisForm(forms.Form):
    basis = forms.CharField(
        label="Legal basis",
        max_length=4000,
        validators=[legible],
        widget=forms.Textarea(attrs=TEXT | {"rows": 3}),
        help_text="Why it is lawful here: the law, the agreement, the order. Ask your counsel.",
    )
    jurisdiction = forms.CharField(
        label="Jurisdiction",
        max_length=100,
        validators=[legible],
        widget=forms.TextInput(attrs=TEXT),
        help_text="Whose law that is.",
    )
    officer = forms.CharField(
        label="Officer",
        max_length=200,
        validators=[legible],
        widget=forms.TextInput(attrs=TEXT),
        help_text="By name: who answers for it.",
    )
    until = forms.DateField(label="Last day", widget=forms.DateInput(attrs=TEXT | {"type": "date"}))

    def clean_until(self) -> datetime:
        """The last moment of the day."""
        return datetime.combine(
            self.cleaned_data["until"], time.max, tzinfo=timezone.get_default_timezone()
        )
