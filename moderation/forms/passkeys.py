"""What a browser sends of a passkey: whatever cannot be read is not accepted, and breaks nothing.

django-allauth foresees some of the errors by which fido2 says so.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.core.exceptions import ValidationError

# A key that is not there, a value of another type, bytes cut short, a nest too deep.
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, struct.error, RecursionError)
NOT_ACCEPTED = "That passkey was not accepted. Try again."


class Credential(forms.JSONField):
    def to_python(self, value: Any) -> Any:
        with _refused():
            return super().to_python(value)


class AddPasskeyForm(AddWebAuthnForm):
    credential = Credential(widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        with _refused():
            said: dict[str, Any] = super().clean()
        return said


class ShowPasskeyForm(AuthenticateWebAuthnForm):
    credential = Credential(widget=forms.HiddenInput)

    def clean_credential(self) -> Authenticator:
        with _refused():
            return super().clean_credential()


class ShowPasskeyAgainForm(ShowPasskeyForm, ReauthenticateWebAuthnForm):
    """As at the log-in, for somebody who is in."""


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except UNREADABLE:
        raise ValidationError(NOT_ACCEPTED) from None
    except ValidationError as wrong:
        if wrong.code != "incorrect_code":  # whose words are about a code that is typed
            raise
        raise ValidationError(NOT_ACCEPTED) from None
