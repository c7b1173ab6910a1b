"""Starting a scan: with which lists, and whether pictures may be fetched."""

from typing import Any

from django import forms
from django.contrib.auth.models import User

from moderation.models import FetchGrant, HashList, LegalBasis
from moderation.permissions import SCAN_FETCH
from moderation.scanning.planning import NOT_LET


class StartScanForm(forms.Form):
    """Hashes only is the default (H1); fetching is offered only where a legal basis allows it."""

    HASHES, FETCHING = "hash_only", "content"

    kind = forms.ChoiceField(
        choices=[(HASHES, "Hashes only"), (FETCHING, "With fetching")], initial=HASHES
    )
    lists = forms.ModelMultipleChoiceField(
        queryset=HashList.objects.none(), to_field_name="slug", required=False
    )

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["lists"].queryset = HashList.objects.in_force().flagging()  # type: ignore[attr-defined]
        self.has_role = by.has_perm(SCAN_FETCH)
        self.may_fetch = FetchGrant.objects.let(by)
        self.basis = LegalBasis.objects.current().order_by("-until").first()

    @property
    def why_no_fetching(self) -> str:
        """Why fetching is greyed; empty where it may be chosen."""
        if not self.has_role:
            return "Your role does not include scans that fetch."
        if not self.may_fetch:
            return NOT_LET
        if self.basis is None:
            return (
                "Fetching is off: no legal basis is recorded, or it has run out; an operator "
                "records one under Legal basis."
            )
        return ""

    def clean_kind(self) -> str:
        kind: str = self.cleaned_data["kind"]
        if kind == self.FETCHING and self.why_no_fetching:
            raise forms.ValidationError(self.why_no_fetching)
        return kind

    def clean_lists(self) -> list[str] | None:
        """Return the slugs chosen; None, all in force, where none is."""
        return [hash_list.slug for hash_list in self.cleaned_data["lists"]] or None
