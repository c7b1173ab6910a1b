"""Who may see the report desk: whoever composes, approves or exports."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.decorators import user_passes_test
from django.core.exceptions import PermissionDenied

from moderation.permissions import REPORT_APPROVE, REPORT_COMPOSE, REPORT_EXPORT

SEE = (REPORT_COMPOSE, REPORT_APPROVE, REPORT_EXPORT)
View = TypeVar("View", bound=Callable[..., Any])


def any_of(*permissions: str) -> Callable[[View], View]:
    """Let pass who holds one of the permissions; 403 for everybody else."""

    def holds_one(user: Any) -> bool:
        if not any(user.has_perm(permission) for permission in permissions):
            raise PermissionDenied
        return True

    return user_passes_test(holds_one)
