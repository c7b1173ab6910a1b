"""What a list manager says of a dispute."""

from django import forms

from moderation.models import Dispute
from moderation.models.custody import plain_words

Outcome = Dispute.Outcome
SAID = (Outcome.UPHELD, Outcome.REJECTED, Outcome.NO_ANSWER)


class EndForm(forms.Form):
    """What came of it."""

    outcome = forms.ChoiceField(
        label="What came of it",
        choices=[(each.value, each.label) for each in SAID],
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    note = forms.CharField(
        label="Note",
        required=False,
        max_length=300,
        validators=[plain_words],
        widget=forms.TextInput(
            attrs={"class": "form-control", "dir": "auto", "autocomplete": "off"}
        ),
        help_text="What the owner said, in short. Goes on record: no links, no hashes, no names.",
    )
