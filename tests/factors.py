"""An app that shows codes, as a person has it on a phone."""

import time

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth
from django.contrib.auth.models import User

LONG_ENOUGH = 4  # seconds that a code must still be good for


def code_for(secret: str) -> str:
    """The code that the app shows now; near its end the next one is waited for, as people do."""
    left = 30 - time.time() % 30
    if left < LONG_ENOUGH:
        time.sleep(left)
    return auth.format_hotp_value(auth.hotp_value(secret, int(time.time()) // 30))


def give_app(person: User) -> str:
    """Set up an app and recovery codes for the person; return the app's secret."""
    secret = auth.generate_totp_secret()
    auth.TOTP.activate(person, secret)
    RecoveryCodes.activate(person)
    return secret
