"""Keys of a development machine: made on first use, kept in the data folder for its owner only."""

import os
import secrets

from config import env


def of_this_machine(name: str) -> str:
    """Return the 64 hex digits of the key ``name``, making it once; two starters get the same."""
    folder = env.DATA / "keys"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    fresh = folder / f".{name}.{os.getpid()}"
    if not path.exists():
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_hex(32))
        try:
            os.link(fresh, path)  # fails where another process was first; its key counts
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()
