"""Naming a view of the queue or the audit page."""

from django import forms

from moderation.models import SavedView


class SavedViewForm(forms.ModelForm):
    class Meta:
        model = SavedView
        fields = ("name", "shared")
        labels = {"name": "Name of the view", "shared": "For all who may open this page"}
        help_texts = {"shared": ""}
        widgets = {
            "name": forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
            "shared": forms.CheckboxInput(attrs={"class": "form-check-input"}),
        }
