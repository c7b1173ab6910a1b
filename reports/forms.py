"""What people may say about a report: facts, a proposed grade, reasons, references, answers."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from moderation.models.custody import plain_reference, plain_words, seen_whole
from reports.agencies import countries, registry
from reports.agencies.base import Agency
from reports.exporting import FORMATS
from reports.models import Report, ReportItem, Submission
from reports.telling import CHANNELS

MOMENT = "%Y-%m-%dT%H:%M"
COUNTRY = "country_"


class Styled(forms.Form):
    """A form whose controls carry the classes of the style sheet."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            widget = field.widget
            if isinstance(widget, forms.CheckboxSelectMultiple | forms.RadioSelect):
                widget.attrs["class"] = "form-check-input"
            elif isinstance(widget, forms.Select):
                widget.attrs["class"] = "form-select"
            elif isinstance(widget, forms.CheckboxInput):
                widget.attrs["class"] = "form-check-input"
            else:
                widget.attrs["class"] = "form-control"


class CountryField(forms.CharField):
    """A country of ISO 3166-1 by its two letters; anything else is refused, nothing is cut."""

    def clean(self, value: Any) -> str:
        try:
            return countries.code_of(super().clean(value))
        except countries.NoCountry as wrong:
            raise ValidationError(str(wrong)) from wrong


class StepForm(Styled):
    """Every step carries the edit number that the person looked at."""

    edit_no = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(self, *args: Any, report: Report, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {})["edit_no"] = report.edit_no
        super().__init__(*args, auto_id=f"id_{type(self).__name__.lower()}_%s", **kwargs)


class EditForm(StepForm):
    """Facts in plain words, a proposed grade, and the hosting country of each entry shown."""

    note = forms.CharField(
        label="Free text for the hotline's form",
        required=False,
        max_length=3000,
        validators=[plain_words],
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=(
            "Not in the exported file: whoever files the report copies it into the form. "
            "No accusation, no names, no links."
        ),
    )
    grade = forms.ChoiceField(
        label="Proposed grade",
        required=False,
        choices=[("", "No proposal"), *Report.Grade.choices],
        help_text="The IWF's scheme. Only for people trained in it; the hotline decides.",
    )

    def __init__(
        self, *args: Any, report: Report, items: Iterable[ReportItem] = (), **kwargs: Any
    ) -> None:
        kwargs["initial"] = {"note": report.note, "grade": report.grade}
        super().__init__(*args, report=report, **kwargs)
        for item in items:
            self.fields[f"{COUNTRY}{item.pk}"] = CountryField(
                label=f"Hosting country of entry {item.entry_id}",
                required=False,
                initial=item.hosting_country,
                widget=forms.TextInput(
                    attrs={"class": "form-control", "list": "countries", "autocomplete": "off"}
                ),
            )

    @property
    def country_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith(COUNTRY)]

    @property
    def countries(self) -> dict[int, str]:
        """The countries given, by pk of the item."""
        return {
            int(name.removeprefix(COUNTRY)): value
            for name, value in self.cleaned_data.items()
            if name.startswith(COUNTRY)
        }


class ReasonForm(StepForm):
    """Why a report is sent back or withdrawn."""

    reason = forms.CharField(
        label="Reason",
        max_length=300,
        validators=[plain_words],
        help_text="Goes on record. No links, no hashes.",
    )


class SendBackForm(ReasonForm):
    pass


class WithdrawForm(ReasonForm):
    def __init__(self, *args: Any, reason: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["reason"] = reason


class FileForm(StepForm):
    """The reference of a report that a person has just filed by the agency's own channel.

    Where nobody took the agency's file from here, the person says that it was filed all the same.
    """

    channel = forms.ChoiceField(label="Channel", choices=Submission.Channel.choices)
    external_reference = forms.CharField(
        label="Reference",
        max_length=100,
        validators=[seen_whole],
        help_text="As the agency gave it.",
    )
    submitted_at = forms.DateTimeField(
        label="Filed at (UTC)",
        input_formats=[MOMENT],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT),
    )

    without_export = forms.BooleanField(
        label="It was filed without this file.",
        required=False,  # the browser would ask to tick it, be it true or not
        help_text="Nobody exported the agency's file of this report yet: export it first.",
    )

    def __init__(self, *args: Any, report: Report, **kwargs: Any) -> None:
        kwargs["initial"] = {"submitted_at": timezone.now()}
        super().__init__(*args, report=report, **kwargs)
        if report.exports.filter(whole=True).exists():
            del self.fields["without_export"]

    def clean_without_export(self) -> bool:
        if not self.cleaned_data["without_export"]:
            raise ValidationError("Export first, or tick if it was filed without this file.")
        return True


class TellForm(Styled):
    """That a person has told the hotline of a case on another channel than a report."""

    channel = forms.ChoiceField(label="Channel", choices=list(CHANNELS.items()))
    reference = forms.CharField(
        label="Reference",
        max_length=100,
        validators=[plain_reference],
        help_text="As the hotline gave it; of a call, ask for one. No names, no links.",
    )
    told_at = forms.DateTimeField(
        label="Told at (UTC)",
        input_formats=[MOMENT],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["initial"] = {"told_at": timezone.now()}
        super().__init__(*args, **kwargs)


class CorrectForm(ReasonForm):
    """The right reference in place of one with a slip in it, and why."""

    external_reference = forms.CharField(
        label="Reference",
        max_length=100,
        validators=[seen_whole],
        help_text="As the agency gave it.",
    )
    field_order = ["external_reference", "reason"]

    def __init__(self, *args: Any, reference: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["external_reference"] = reference


class AnswerForm(StepForm):
    """What the agency answered, and when."""

    outcome = forms.ChoiceField(
        label="Answer", choices=[("", "Choose what it answered"), *Submission.Outcome.choices]
    )
    outcome_at = forms.DateTimeField(
        label="Answered at (UTC)",
        input_formats=[MOMENT],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["initial"] = {"outcome_at": timezone.now()}
        super().__init__(*args, **kwargs)


class FilterForm(Styled):
    """The filters of the list; they live in the address."""

    state = forms.ChoiceField(
        required=False, choices=[("", "Any"), *Report.State.choices], label="State"
    )
    agency = forms.ChoiceField(required=False, label="Agency")
    environment = forms.ChoiceField(
        required=False, choices=[("", "Any"), *Report.Environment.choices], label="Environment"
    )
    reference = forms.CharField(required=False, max_length=100, label="Reference")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["agency"].choices = [  # type: ignore[attr-defined]
            ("", "Any"),
            *((slug, agency.name) for slug, agency in registry.AGENCIES.items()),
        ]


class ExportForm(Styled):
    """Which file is wanted, and what for."""

    KINDS = [("masked", "Overview"), ("whole", "The agency's file")]

    report = forms.ModelMultipleChoiceField(
        queryset=Report.objects.none(), widget=forms.MultipleHiddenInput
    )
    kind = forms.ChoiceField(choices=KINDS, initial="masked")
    format = forms.ChoiceField(label="Format", choices=[(name, name.upper()) for name in FORMATS])
    columns = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="Columns"
    )
    purpose = forms.CharField(
        label="Purpose",
        max_length=300,
        validators=[plain_words],
        help_text="What the file is for. Goes on record, with your pseudonym.",
    )

    def __init__(self, *args: Any, agency: Agency, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["report"].queryset = Report.objects.exportable()  # type: ignore[attr-defined]
        self.fields["columns"].choices = [  # type: ignore[attr-defined]
            (each.name, each.words) for each in agency.fields
        ]
