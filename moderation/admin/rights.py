"""Who may look at and change what in the back room: our capabilities, not Django's table rights."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from moderation.permissions import SETTINGS_MANAGE

LOOKUPS = {"", "exact", "id__exact", "isnull", "isnull__exact", "gte", "lt"}  # what filters write


class ByCapability:
    """What may be done to a model follows from capabilities: one to look, one to change."""

    look: str = SETTINGS_MANAGE
    alter: str | None = None
    adding = True
    deleting = True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(self.look)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.alter is not None and request.user.has_perm(self.alter)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.adding and self.has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.deleting and self.has_change_permission(request, obj)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Only what the page's own filters ask: others would read out what is not shown."""
        if "\0" in str(value):
            return False
        return any(
            lookup == name
            or (lookup.startswith(f"{name}__") and lookup[len(name) + 2 :] in LOOKUPS)
            for name in getattr(self, "list_filter", ())
        )


class ToLookAt(ByCapability, admin.ModelAdmin):
    """Nothing can be changed; big tables are not counted."""

    show_full_result_count = False
    list_per_page = 50
