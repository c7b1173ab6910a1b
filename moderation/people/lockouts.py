"""Which wrong passwords lock a login, where, and for how long (docs/decisions/0037).

django-axes counts by login and address and knows one limit for all that it counts. A limit of its
own for the login alone, from anywhere, is added here, and whom it does not hold.
"""

from datetime import timedelta
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest
from django.utils import timezone

KNOWN = timedelta(days=30)  # since a log-in from an address, in which it is the person's


class Handler(AxesDatabaseHandler):
    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Return the failures of the login from this address; no fewer than the limit where the
        login is locked everywhere and this address is none of its person's.

        ``request.locked_everywhere`` says whether it is the latter that locks.
        """
        here: int = super().get_failures(request, credentials)
        limit: int = settings.AXES_FAILURE_LIMIT
        everywhere = here < limit and self._is_locked_everywhere(request, credentials)
        request.locked_everywhere = everywhere  # type: ignore[attr-defined]
        return limit if everywhere else here

    def _is_locked_everywhere(
        self, request: HttpRequest, credentials: dict[str, Any] | None
    ) -> bool:
        name = get_client_username(request, credentials)
        recent = AccessAttempt.objects.filter(
            username=name, attempt_time__gte=get_cool_off_threshold(request)
        )
        failures = recent.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
        if failures < settings.LOGIN_FAILURE_LIMIT_EVERYWHERE:
            return False
        known = AccessLog.objects.filter(
            username=name,
            ip_address=request.axes_ip_address,  # type: ignore[attr-defined]
            attempt_time__gte=timezone.now() - KNOWN,
        )
        return not known.exists()
