"""What the parts of the sample share: the error that users see, and where data lies."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


class SampleError(Exception):
    """Something the person at the keyboard has to put right; the message is one clear line."""


def data_folder() -> Path:
    """Return the project's data folder: BREAKWATER_DATA, else ``data`` beside manage.py."""
    return Path(os.environ.get("BREAKWATER_DATA") or PROJECT / "data").resolve()
