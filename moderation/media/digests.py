"""Cryptographic digests of a file's bytes."""

import hashlib


def digests(data: bytes) -> dict[str, bytes]:
    """Return md5 (16 bytes), sha1 (20) and sha256 (32) of ``data`` by name.

    They identify files and protect nothing, hence ``usedforsecurity=False``: it keeps md5 and sha1
    available on machines that forbid them for signatures.
    """
    return {
        "md5": hashlib.md5(data, usedforsecurity=False).digest(),
        "sha1": hashlib.sha1(data, usedforsecurity=False).digest(),
        "sha256": hashlib.sha256(data, usedforsecurity=False).digest(),
    }
