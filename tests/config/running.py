"""The real thing in processes of its own: ``python -m config.startup.serve`` with its web server and worker."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.config.starting import BASE_DIR, DEFAULTS, SECRET_KEY, SECRETS_KEYS

START_SECONDS = 180  # far more than it takes, for a machine that is busy with other tests
STOP_SECONDS = 90


def free_port() -> int:
    """Return a port that is not one of those which the system gives to whoever asks for any, so that it stays free."""
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def processes_of(marker: str) -> dict[int, str]:
    """Return the running processes that have `marker` in their environment, with their command lines."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if not folder.name.isdigit() or marker.encode() not in (folder / "environ").read_bytes():
                continue
            if (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


class Running:
    """One start of Mailadmin, with all its processes."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.port = int(environment.setdefault("PORT", str(free_port())))
        self.marker = f"MAILADMIN_TEST_MARK={folder}"
        self.log = folder / f"output-{self.port}"
        blank = {key: "" for name in DEFAULTS for key in (name, f"{name}_FILE")}
        stores = {
            "SECRET_KEY": SECRET_KEY,
            "SECRETS_KEYS": SECRETS_KEYS,
            "DATABASE_URL": f"sqlite:///{folder}/app.sqlite3",
            "QUEUE_URL": f"sqlite:///{folder}/queue.sqlite3",
            "MAIL_LOG_FILE": f"{folder}/mail.log",
            "DEBUG": "true",  # serves the static files from where they are, so that staticfiles/ stays untouched
            "WEB_PROCESSES": "2",
            "MAILADMIN_TEST_MARK": str(folder),
        }
        kept = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.startup.serve", *arguments],
                cwd=BASE_DIR,
                env={**kept, **blank, **stores, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # the tests may run under nohup
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while text not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def others(self) -> dict[int, str]:
        """The web server's three processes and the worker."""
        return {pid: line for pid, line in processes_of(self.marker).items() if pid != self.process.pid}

    def gone(self, seconds: float = STOP_SECONDS) -> bool:
        """Return whether all processes have ended by then."""
        deadline = time.monotonic() + seconds
        while processes_of(self.marker) and time.monotonic() < deadline:
            time.sleep(0.05)
        return not processes_of(self.marker)

    def get(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code

    def kill(self) -> None:
        """End whatever is left of it."""
        for pid in processes_of(self.marker):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
