"""What a person sets for themselves under Me, and why a lead resets somebody's exposure."""

from typing import Any

from django import forms

from moderation.models import Preview, Wellness
from moderation.models.case import HarmClass
from moderation.models.custody import plain_words
from moderation.review.budget import Standing
from moderation.review.resting import LONGEST_SHIFT

POINTS = {
    "invalid": "Write a number of points, as in 12 or 12.5.",
    "min_value": "No limit is below 0 points.",
    "max_decimal_places": "One digit behind the point is as fine as it goes.",
}


class LimitsForm(forms.Form):
    """One's own limits: each may be left as it is, or lowered."""

    day = forms.DecimalField(
        label="Points in 24 hours",
        required=False,
        min_value=0,
        decimal_places=1,
        error_messages=POINTS,
    )
    week = forms.DecimalField(
        label="Points in 7 days",
        required=False,
        min_value=0,
        decimal_places=1,
        error_messages=POINTS,
    )

    def __init__(self, *args: Any, now: Standing, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, limit in (("day", now.day_limit), ("week", now.week_limit)):
            field = self.fields[name]
            field.widget = forms.NumberInput(
                attrs={"class": "form-control", "min": 0, "max": limit, "step": "0.1"}
                | ({"data-hotkey": "l"} if name == "day" else {})
            )
            field.help_text = f"Now {limit}. A lower number; left empty, it stays."


class ClassesForm(forms.Form):
    """By harm class: whether it comes at all, up to which level, and how L2 begins."""

    def __init__(self, *args: Any, own: Wellness, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        levels = [(0, "none"), *((level.value, f"up to L{level.value}") for level in Preview.Level)]
        for harm in HarmClass:
            self.fields[f"out_{harm.value}"] = forms.BooleanField(
                label="Leave it out",
                required=False,
                initial=harm.value in own.opted_out,
                widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
            )
            self.fields[f"most_{harm.value}"] = forms.TypedChoiceField(
                label="Previews",
                coerce=int,
                choices=[*levels[:-1], (levels[-1][0], "as granted")],
                initial=own.highest.get(harm.value, levels[-1][0]),
                widget=forms.Select(attrs={"class": "form-select"}),
            )
            self.fields[f"drawing_{harm.value}"] = forms.BooleanField(
                label="L2 as a drawing first",
                required=False,
                initial=harm.value in own.drawings,
                widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
            )

    def rows(self) -> list[dict[str, Any]]:
        """The fields class by class."""
        return [
            {
                "code": harm.value,
                "label": harm.label,
                "out": self[f"out_{harm.value}"],
                "most": self[f"most_{harm.value}"],
                "drawing": self[f"drawing_{harm.value}"],
            }
            for harm in HarmClass
        ]

    def chosen(self) -> dict[str, Any]:
        """The fields of the row that they say."""
        said = self.cleaned_data
        top = max(Preview.Level.values)
        return {
            "opted_out": [harm.value for harm in HarmClass if said[f"out_{harm.value}"]],
            "drawings": [harm.value for harm in HarmClass if said[f"drawing_{harm.value}"]],
            "highest": {
                harm.value: said[f"most_{harm.value}"]
                for harm in HarmClass
                if said[f"most_{harm.value}"] < top
            },
        }


class ShiftForm(forms.Form):
    """In how many hours one's shift ends; nothing takes the end back."""

    hours = forms.FloatField(
        label="My shift ends in how many hours",
        required=False,
        min_value=0,
        max_value=LONGEST_SHIFT,
        error_messages={
            "invalid": "Write a number of hours, as in 6 or 6.5.",
            "min_value": "A shift ends after now.",
            "max_value": "A shift ends within %(limit_value)s hours.",
        },
        widget=forms.NumberInput(attrs={"class": "form-control", "step": "0.25"}),
        help_text="From now. Left empty, the end is taken back.",
    )


class ResetForm(forms.Form):
    """Why somebody's exposure is reset."""

    reason = forms.CharField(
        label="Reason",
        max_length=300,
        validators=[plain_words],
        widget=forms.TextInput(
            attrs={"class": "form-control", "dir": "auto", "autocomplete": "off"}
        ),
        help_text="Goes on record. Nothing about health, no names.",
    )
