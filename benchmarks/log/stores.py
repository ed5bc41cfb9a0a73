"""The databases of a run, kept in a folder until all measurements are done, and the figures so far.

An interrupted run can continue: filled databases stay filled, and `--resume` skips what was measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.drain.products import KEPT, PEERS_PYTHON
from benchmarks.drain.scratch import POSTGRES, execute, stop
from benchmarks.figures import report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.drain.scratch import Scratch

OURS, PEER = "ours", "peer"
PROGRAMS = {
    OURS: [sys.executable, "-m", "benchmarks.log.ours"],
    PEER: [str(PEERS_PYTHON), "-m", "benchmarks.peers.post_office_log"],
}
PARTS = ("fill", "pages", "plans", "export", "overhead", "writers", "prune")


class Figures:
    """The figures of all runs in a folder, one JSON line each; measuring a part again replaces its figures."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.path, self.rows = folder / "figures.jsonl", rows
        self.engine = self.part = ""

    def begin(self, engine: str, part: str) -> None:
        """Start a part: the following figures belong to it, and its previous ones are dropped."""
        self.engine, self.part = engine, part
        kept = [each for each in self.read() if (each["rows"], each["engine"], each["part"]) != self.key]
        lines = "".join(json.dumps(each) + "\n" for each in kept)
        self.path.write_text(lines, encoding="utf-8")

    @property
    def key(self) -> tuple[int, str, str]:
        return (self.rows, self.engine, self.part)

    def tell(self, figure: str, value: float, unit: str, **more: object) -> None:
        """Print a figure, without its plans, and store it."""
        about = {"engine": self.engine, "part": self.part, "rows": self.rows}
        report("log", figure, value, unit, **about, **{name: more[name] for name in more if name != "plans"})
        self._append({**about, "figure": figure, "value": value, "unit": unit, **more})

    def end(self) -> None:
        """Mark the part as complete."""
        self._append({"engine": self.engine, "part": self.part, "rows": self.rows, "done": True})

    def is_done(self, engine: str, part: str) -> bool:
        return any(each.get("done") for each in self.of(engine, part))

    def of(self, engine: str, part: str) -> list[dict[str, Any]]:
        """Return the figures of a part."""
        return [
            each for each in self.read() if (each["rows"], each["engine"], each["part"]) == (self.rows, engine, part)
        ]

    def read(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def _append(self, line: Mapping[str, object]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


class Child:
    """A process on one of the databases that runs commands."""

    def __init__(self, scratch: Scratch, program: list[str], environment: Mapping[str, str]) -> None:
        self.program = program[-1]
        self.process = scratch.process(program, dict(environment))

    def ask(self, step: str, **values: object) -> dict[str, Any]:
        """Run a command and return its answer. Raises RuntimeError with its error; the process stays usable."""
        self.tell(step, **values)
        return self.answer(step)

    def tell(self, step: str, **values: object) -> None:
        """Send a command without waiting for the answer."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps([step, values]) + "\n")
            self.process.stdin.flush()

    def answer(self, step: str) -> dict[str, Any]:
        """Wait for the answer."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found: dict[str, Any] = json.loads(line or '{"error": "it ended"}')
        if "error" in found:
            message = f"{self.program}: {step}: {found['error']}"
            raise RuntimeError(message)
        return found

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_error: object) -> None:
        stop(self.process)


class Store:
    """Our database, or the peer's, on one engine."""

    def __init__(self, scratch: Scratch, figures: Figures, who: str, engine: str, *, bodies: bool) -> None:
        self.scratch, self.figures, self.who, self.engine, self.bodies = scratch, figures, who, engine, bodies
        self.name = f"{who}_{figures.rows}"
        self.folder = figures.path.parent
        self.note = self.folder / f"{engine}_{self.name}.json"  # exists if the database is complete

    @property
    def url(self) -> str:
        if self.engine == "sqlite":
            return f"sqlite:///{self._file}"
        return f"{POSTGRES.rpartition('/')[0]}/{self._database}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name.startswith(KEPT)},
            "DJANGO_SETTINGS_MODULE": "config.settings_test",
            "DATABASE_URL": self.url,
            "BENCH_FOLDER": str(self.scratch.folder),
            "BENCH_PORT": "25",
        }

    def child(self) -> Child:
        """Return a new process on the database."""
        return Child(self.scratch, PROGRAMS[self.who], self.environment)

    def is_filled(self) -> bool:
        """Return whether the database exists and is unchanged since it was filled."""
        if not self.note.exists() or json.loads(self.note.read_text()).get("bodies") != self.bodies:
            return False
        if self.engine == "sqlite":
            return self._file.exists()
        with psycopg.connect(POSTGRES, connect_timeout=5) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self._database])
            return found.fetchone() is not None

    def fill(self, *, like: Store | None = None) -> dict[str, Any] | None:
        """Fill the database if necessary, with the same messages as `like`. Return the measurements of filling."""
        if self.is_filled():
            return None
        now = json.loads(like.note.read_text())["now"] if like else datetime.now(UTC).isoformat()
        self.drop()
        if self.engine == "postgres":
            execute("CREATE DATABASE {}", self._database)
        values: dict[str, Any] = {"rows": self.figures.rows, "now": now, "bodies": self.bodies}
        if self.who == OURS:
            values["processes"] = 2
        started = time.time()
        with self.child() as child:
            found = child.ask("prepare", **values)
        self.note.write_text(json.dumps({**values, "took": time.time() - started}))
        return found

    def spoil(self) -> None:
        """Mark the database as changed since it was filled."""
        self.note.unlink(missing_ok=True)

    def drop(self) -> None:
        """Remove the database."""
        self.spoil()
        if self.engine == "sqlite":
            for ending in ("", "-wal", "-shm"):
                self._file.with_name(self._file.name + ending).unlink(missing_ok=True)
        else:
            execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", self._database)

    @property
    def _file(self) -> Path:
        return self.folder.resolve() / f"{self.name}.sqlite3"

    @property
    def _database(self) -> str:
        return f"mailadmin_bench_log_{self.name}"


def machine() -> dict[str, object]:
    """Return a description of the machine and its load."""
    load = Path("/proc/loadavg").read_text().split()[0] if Path("/proc/loadavg").exists() else "?"
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {"load": load, "commit": commit.stdout.strip(), "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"}
