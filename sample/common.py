"""What the parts of the sample share: the error that users see, and where data lies."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


class SampleError(Exception):
    """Something the person at the keyboard has to put right; the message is one clear line."""


def data_folder() -> Path:
    """Return where to keep what was fetched: SAMPLE_DATA, BREAKWATER_DATA, else ``data`` here.

    SAMPLE_DATA is for tests, whose BREAKWATER_DATA is a new folder every time.
    """
    named = os.environ.get("SAMPLE_DATA") or os.environ.get("BREAKWATER_DATA")
    return Path(named or PROJECT / "data").resolve()
