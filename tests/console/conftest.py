"""A real worker on this test's database, queue and stores."""

from tests.journeys.conftest import (  # noqa: F401
    pictures,
    run,
    sample_folder,
    surroundings,
    truth,
    worker,
)
