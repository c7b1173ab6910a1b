"""The moderation app; roles follow `permissions.ROLES` after every migrate."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def sync_roles(using: str, **kwargs: Any) -> None:
    from django.contrib.auth.management import create_permissions
    from django.contrib.auth.models import Group, Permission

    from .permissions import ROLES

    create_permissions(kwargs["sender"], verbosity=0, using=using)
    for role, capabilities in ROLES.items():
        group, _ = Group.objects.using(using).get_or_create(name=role)
        codenames = [capability.split(".", 1)[1] for capability in capabilities]
        group.permissions.set(
            Permission.objects.using(using).filter(
                content_type__app_label="moderation", codename__in=codenames
            )
        )


class ModerationConfig(AppConfig):
    name = "moderation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, receivers  # noqa: F401  they register and connect themselves
        from .schedule import sync_schedule

        post_migrate.connect(sync_roles, sender=self)
        post_migrate.connect(sync_schedule, sender=self)
