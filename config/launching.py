"""`make run`: servers up, tables and demo in place, then every process of the Procfile.

When one process ends, or on Ctrl-C, the others are stopped, and the servers last.
"""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from types import FrameType

from django.core.exceptions import ImproperlyConfigured
from honcho import manager
from honcho.compat import ProcessManager
from honcho.environ import parse_procfile

from config import env, services

HOST = "127.0.0.1"
# What runs before the processes do; those of one line side by side.
PREPARING = (
    ("migrate --verbosity 0", "collectstatic --no-input --verbosity 0"),
    ("demo",),
)
manager.KILL_WAIT = 8  # seconds; a worker hands back the task at hand


class Leaders(ProcessManager):  # type: ignore[misc]
    """Ask the process of the Procfile to end, not its children as well: it sees to them."""

    def terminate(self, pid: int) -> None:
        """Send SIGTERM to the one process, which may have ended just now."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


manager.ProcessManager = Leaders


def main() -> int:
    """Run until stopped and return the exit code; 0 after Ctrl-C."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        settings = _settings()
        for name in ("PORT", "PICTURES_PORT"):
            _must_be_free(name, int(settings[name]))
        os.environ.update(settings)
        with services.running():
            for commands in PREPARING:
                if code := _run(*commands):
                    return code
            return _processes()
    except (services.ServiceError, ImproperlyConfigured) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _run(*commands: str) -> int:
    """Run the commands of manage.py side by side; return the first exit code that is not 0."""
    manage = [sys.executable, "manage.py"]
    running = [subprocess.Popen([*manage, *c.split()], cwd=env.PROJECT) for c in commands]
    try:
        return next(filter(None, [process.wait() for process in running]), 0)
    except BaseException:
        for process in running:
            process.terminate()
            process.wait()
        raise


def _terminated(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _settings() -> dict[str, str]:
    """Return the environment that the processes share, where it is not set already."""
    port, pictures = env.number("PORT", 8000), env.number("PICTURES_PORT", 8899)
    settings = {
        "DJANGO_SETTINGS_MODULE": "config.settings.development",
        "FETCH_ALLOW_ADDRESSES": f"{HOST}:{pictures}",
        "SAMPLE_DIR": str(env.DATA / "sample"),
    }
    ours = {name: os.environ.get(name) or value for name, value in settings.items()}
    return {**ours, "PORT": str(port), "PICTURES_PORT": str(pictures)}


def _must_be_free(name: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise services.ServiceError(
                f"Port {port} of {HOST} cannot be used ({error.strerror}): stop what listens "
                f"there, or choose another: make run {name}={port + 100}"
            ) from None
        except OverflowError:
            raise services.ServiceError(f"{name} must be a port: 1 to 65535.") from None


def _processes() -> int:
    """Run the Procfile's processes until one ends; return 0 where we were asked to stop."""
    running = manager.Manager()
    procfile = (env.PROJECT / "Procfile").read_text(encoding="utf-8")
    for name, command in parse_procfile(procfile).processes.items():
        running.add_process(name, command, cwd=str(env.PROJECT))
    running.loop()
    asked = {entry["rc"] for entry in manager.SIGNALS.values()}
    return 0 if running.returncode in asked else running.returncode or 1


if __name__ == "__main__":
    sys.exit(main())
