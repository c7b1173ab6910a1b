"""The person behind a request, as the domain functions want them."""

from functools import cached_property

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from moderation.models import Grant, Wellness
from moderation.review import queue


def person_of(request: HttpRequest) -> User:
    """Return the user who is logged in; PermissionDenied for nobody."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


class Own:
    """What a page shows by: the person's grants and what they set for themselves, each read once.

    For showing alone. A step that changes something reads both anew, under its locks.
    """

    def __init__(self, user: User) -> None:
        self.user = user

    @cached_property
    def granted(self) -> list[str]:
        """The harm classes granted to them."""
        return Grant.objects.classes(self.user)

    @cached_property
    def wellness(self) -> Wellness:
        return Wellness.objects.of(self.user)

    @property
    def classes(self) -> list[str]:
        """The harm classes of their queue."""
        return queue.kept_in(self.granted, self.wellness)


def own_of(request: HttpRequest) -> Own:
    """Return the one of this request; ask for it once all that the request changes is changed."""
    own: Own | None = getattr(request, "_own", None)
    if own is None:
        own = Own(person_of(request))
        request._own = own  # type: ignore[attr-defined]
    return own
