"""People under a pseudonym, and the capabilities that roles are made of."""

import secrets
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_pseudonym() -> str:
    return "P-" + "".join(secrets.choice(ALPHABET) for _ in range(6))


class Theme(models.TextChoices):
    AUTO = "auto", "As this device is set"
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"


class Contrast(models.TextChoices):
    AUTO = "auto", "As this device is set"
    MORE = "more", "More contrast"


class TextSize(models.TextChoices):
    USUAL = "usual", "Usual"
    LARGE = "large", "Large"
    LARGEST = "largest", "Largest"


class Person(models.Model):
    """The one table that joins a login to the pseudonym that custody events carry."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="person"
    )
    pseudonym = models.CharField(max_length=20, unique=True, default=new_pseudonym, editable=False)
    letter_keys = models.BooleanField(
        default=True, help_text="Whether single letters and digits are keys of the pages."
    )

    # How pages look to this person, wherever they log in.
    theme = models.CharField(max_length=5, choices=Theme.choices, default=Theme.AUTO)
    contrast = models.CharField(max_length=4, choices=Contrast.choices, default=Contrast.AUTO)
    text_size = models.CharField(max_length=7, choices=TextSize.choices, default=TextSize.USUAL)

    class Meta:
        verbose_name_plural = "people"

    def __str__(self) -> str:
        return self.pseudonym


def pseudonym_of(user: "User") -> str:
    """The user's pseudonym, given on the first occasion."""
    return Person.objects.get_or_create(user=user)[0].pseudonym


class Capability(models.Model):
    """No table of its own: the anchor of Django's permission rows for `moderation.permissions`."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("case_list", "See the queue"),
            ("case_open", "Open a case"),
            ("decide", "Answer a case"),
            ("decide_second", "Answer as second person"),
            ("decide_final", "Decide disputed and escalated cases"),
            ("case_assign", "Assign a case to a named person"),
            ("preview_l1", "Reveal previews of 24 px"),
            ("preview_l2", "Reveal previews of 64 px"),
            ("preview_l3", "Hold previews of 256 px in view"),
            ("wellness_team", "Reset somebody's exposure"),
            ("url_raw", "See a full URL"),
            ("report_compose", "Edit and propose reports"),
            ("report_approve", "Approve a report that somebody else composed"),
            ("report_export", "Export reports"),
            ("list_view", "See hash lists"),
            ("list_manage", "Load and change hash lists"),
            ("hash_lookup", "Screen a single hash or picture"),
            ("scan_view", "See datasets and scans"),
            ("scan_run", "Start, pause and cancel scans"),
            ("scan_fetch", "Start scans that fetch"),
            ("manifest_publish", "Build removal manifests"),
            ("preview_grant", "Grant harm classes and previews"),
            ("user_manage", "Manage people"),
            ("settings_manage", "Manage settings and schedules"),
            ("legal_hold", "Set and lift legal holds"),
            ("audit_view", "Read the chain of custody"),
            ("identity_view", "See who is behind a pseudonym"),
        ]
