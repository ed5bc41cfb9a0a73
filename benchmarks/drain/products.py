"""The three measured products, each on its own database, behind one interface: prepare, run a step."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.drain.parcel import SENDER
from benchmarks.drain.scratch import ROOT, stop
from config.startup.supervise import WORKER

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.drain.scratch import Scratch

PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
OURS, POST_OFFICE, MAILER = "mailadmin", "django-post-office", "django-mailer"
PROGRAMS = {
    OURS: [sys.executable, "-m", "benchmarks.drain.ours"],
    POST_OFFICE: [str(PEERS_PYTHON), "-m", "benchmarks.peers.post_office"],
    MAILER: [str(PEERS_PYTHON), "-m", "benchmarks.peers.mailer"],
}
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "BENCH_")


class Product:
    """A product with an empty, migrated database that sends to the sink at `port`."""

    def __init__(self, scratch: Scratch, name: str, kind: str, *, port: int, purpose: str = "main") -> None:
        self.scratch = scratch
        self.name = name
        self.kind = kind
        label = f"{name.replace('-', '_')}_{kind}_{purpose}"
        folder = scratch.folder / label
        folder.mkdir()
        self.environment = surroundings(folder, scratch.database(kind, label), port=port)
        self.step("prepare", 0)

    def step(self, step: str, number: int, **setting: int) -> dict[str, Any]:
        """Run a step in a new process and return its result. A setting `x` is passed as BENCH_X."""
        return self.together(step, number, processes=1, **setting)[0]

    def together(self, step: str, number: int, *, processes: int, **setting: int) -> list[dict[str, Any]]:
        """Run a step in several processes that start at the same time, and return their results."""
        environment = {**self.environment, **{f"BENCH_{name.upper()}": str(value) for name, value in setting.items()}}
        started = [
            self.scratch.process([*PROGRAMS[self.name], step, str(number)], environment) for _ in range(processes)
        ]
        for process in started:
            if read(process) != "ready":
                message = f"{self.name}: {step} did not start"
                raise RuntimeError(message)
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        results = [json.loads(read(process) or "null") for process in started]
        for process in started:
            stop(process)
        if not all(results):
            message = f"{self.name}: {step} failed; what it said stands above"
            raise RuntimeError(message)
        return results

    @contextmanager
    def worker(self) -> Iterator[int]:
        """Run our worker as `make run` does, and return its process id."""
        assert self.name == OURS
        process = self.scratch.process([sys.executable, *WORKER], self.environment)
        try:
            yield process.pid
        finally:
            stop(process)


def surroundings(folder: Path, database: str, *, port: int) -> dict[str, str]:
    """Return the environment of a process on `database` that sends to the sink at `port`."""
    # Overrides .env: an empty variable counts as unset.
    known = re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    blank = {variable: "" for each in known for variable in (each, f"{each}_FILE")}
    return {
        **{name: value for name, value in os.environ.items() if name.startswith(KEPT)},
        **blank,
        "BENCH_FOLDER": str(folder),
        "BENCH_PORT": str(port),
        "DATABASE_URL": database,
        # With PostgreSQL, the queue is in it as well, as on several machines.
        "QUEUE_URL": database if database.startswith("postgres") else f"sqlite:///{folder / 'queue.sqlite3'}",
        "SECRET_KEY": "only-for-benchmarks-" + "x" * 40,
        "SECRETS_KEYS": "b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtMTI=",
        "MAIL_HOST": "127.0.0.1",
        "MAIL_PORT": str(port),
        "MAIL_ENCRYPTION": "none",
        "MAIL_FROM_ADDRESS": SENDER,
    }


def read(process: subprocess.Popen[str]) -> str:
    """Return the next line of the process's output, or "" if it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def seconds(results: list[dict[str, Any]]) -> float:
    """Return the time from the start of the first to the end of the last."""
    return float(max(result["end"] for result in results) - min(result["begin"] for result in results))


def processor(results: list[dict[str, Any]], mails: int) -> float:
    """Return microseconds of CPU time per message: the figure that other work on the machine affects least."""
    return float(round(sum(result["cpu"] for result in results) / mails * 1e6))


def machine(results: list[dict[str, Any]], mails: int) -> float:
    """Return microseconds of CPU time per message, of all processes on the machine."""
    return float(round(max(result["machine"] for result in results) / mails * 1e6))
