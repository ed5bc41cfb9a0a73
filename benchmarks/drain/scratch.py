"""The folder, databases and processes of a run, removed at its end, also after Ctrl-C or SIGTERM."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from types import FrameType, TracebackType

ROOT = Path(__file__).parent.parent.parent
POSTGRES = os.environ.get("BENCH_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
LONGEST_STOP = 3.0  # seconds from SIGTERM to SIGKILL
PR_SET_PDEATHSIG = 1  # linux/prctl.h
FIRST_LINE = 30.0  # seconds for a server to print its first line


class Scratch:
    """A context that removes everything created through it."""

    def __init__(self) -> None:
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> Scratch:
        """Create the folder. From here on, SIGTERM ends the run like Ctrl-C."""
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="mailadmin-bench-")))
        signal.signal(signal.SIGTERM, interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove everything, newest first, ignoring signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        self.stack.close()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)

    def database(self, kind: str, name: str) -> str:
        """Return the URL of a new, empty database for `name`; `kind` is sqlite or postgres."""
        if kind == "sqlite":
            return f"sqlite:///{self.folder / name}.sqlite3"
        database = f"mailadmin_bench_{os.getpid()}_{name}"
        execute("CREATE DATABASE {}", database)
        self.stack.callback(execute, "DROP DATABASE IF EXISTS {} WITH (FORCE)", database)
        return POSTGRES.rpartition("/")[0] + f"/{database}"

    def process(
        self, arguments: list[str], environment: dict[str, str], *, errors: IO[str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a process with pipes, in its own process group, so that Ctrl-C reaches only the benchmark.

        What it says on standard error goes to `errors`, or to ours.
        """
        process = subprocess.Popen(
            arguments,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            process_group=0,
            preexec_fn=end_with_parent if sys.platform == "linux" else None,
        )
        self.stack.callback(stop, process)
        return process

    def sink(self, *options: str) -> int:
        """Start the sink and return its port."""
        # A file, not a pipe, because its later output is not read.
        path = self.folder / f"sink{len(list(self.folder.glob('sink*')))}"
        with path.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.sink", *options],
                cwd=ROOT,
                stdout=output,
                process_group=0,
                preexec_fn=end_with_parent if sys.platform == "linux" else None,
            )
        self.stack.callback(stop, process)
        limit = time.monotonic() + FIRST_LINE
        while "\n" not in path.read_text():
            if process.poll() is not None or time.monotonic() > limit:
                message = "the sink did not start"
                raise RuntimeError(message)
            time.sleep(0.02)
        return int(path.read_text().split()[0])


def end_with_parent() -> None:
    """Have the kernel kill this new process when the benchmark dies without a chance to clean up (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def interrupt(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def stop(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Send SIGTERM, then kill the rest of the process group. Harmless if the process has ended."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LONGEST_STOP)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()


def execute(statement: str, database: str) -> None:
    with psycopg.connect(POSTGRES, autocommit=True, connect_timeout=5) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(database)))


def postgres_answers() -> bool:
    try:
        with psycopg.connect(POSTGRES, connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False
