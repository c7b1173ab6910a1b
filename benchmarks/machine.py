"""The machine and the versions that the figures belong to."""

import datetime
import os
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = (
    *("threatexchange", "pdqhash", "faiss-cpu", "perception", "imagehash"),
    *("pillow", "simplejpeg", "numpy", "numba", "pyarrow", "psycopg"),
)


def described() -> list[str]:
    """Return lines for people: date, processor, memory, system, versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return [
        f"Date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        f"Processor: {_processor()}, {os.cpu_count()} cores; memory {memory:.0f} GiB",
        f"System: {platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"Packages: {versions}",
        f"Load when the run began: {os.getloadavg()[0]:.1f}",
    ]


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                flags = "AVX2" if " avx2" in information.read_text(encoding="utf-8") else "no AVX2"
                return f"{line.partition(':')[2].strip()} ({platform.machine()}, {flags})"
    return platform.processor() or platform.machine()
