"""A confirmed case with one entry."""

import pytest
from django.contrib.auth.models import User

from moderation.models import Case

from .making import confirmed_case


@pytest.fixture
def case(reviewer: User, second_reviewer: User) -> Case:
    return confirmed_case(reviewer, second_reviewer)
