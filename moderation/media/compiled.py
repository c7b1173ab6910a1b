"""Numba's compiler behind one typed decorator."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Return ``function`` compiled on first use, kept on disk, run without the interpreter lock.

    Sums keep their order: hashes must come out the same everywhere. A division by zero gives what
    numpy gives: looking for it before each division would keep them from being done eight at once.
    """
    return cast(_Function, njit(cache=True, nogil=True, error_model="numpy")(function))
