"""A real worker on this test's database, queue and stores; and a browser."""

from tests.browser import chromium, expected_errors, opened  # noqa: F401
from tests.journeys.conftest import (  # noqa: F401
    pictures,
    run,
    sample_folder,
    surroundings,
    truth,
    worker,
)
