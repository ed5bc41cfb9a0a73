"""Real processes for experiments: workers, counting mail servers, scratch databases. The `Lab` removes them all."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from config.startup.supervise import end_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0  # far more than needed, for a busy machine
SENDER = "shop@example.com"
SECRET_KEY = "only-for-experiments-" + "x" * 40
SECRETS_KEYS = "b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtMTI="


class Event(NamedTuple):
    """One line of a counting server: ehlo, auth, dot, ok or bye; `at` is `time.monotonic`."""

    what: str
    at: float
    name: str
    message_id: str


@dataclass
class Process:
    """A process of the experiment, in its own process group, with its output in a file."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> float:
        """Kill it, as the kernel does when memory is short. Return the time (`time.monotonic`)."""
        at = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        return at

    def ask_to_stop(self) -> None:
        self.process.terminate()

    def wait(self, seconds: float) -> int:
        """Return the exit status. Raises subprocess.TimeoutExpired."""
        return self.process.wait(seconds)


@dataclass
class CountingServer:
    """`benchmarks.faults.counting` in its own process."""

    process: Process
    events_file: Path
    port: int

    def events(self) -> Iterator[Event]:
        """All events so far, in order."""
        if self.events_file.exists():
            for line in self.events_file.read_text().splitlines():
                what, at, name, message_id = line.split(" ", 3)
                yield Event(what, float(at), name, message_id)

    def taken(self) -> list[Event]:
        """All accepted messages, including copies."""
        return [event for event in self.events() if event.what == "dot"]

    def count(self, what: str = "dot") -> int:
        """The number of events of that kind, without parsing them."""
        return self.events_file.read_bytes().count(what.encode() + b" ") if self.events_file.exists() else 0


@dataclass
class Worker(Process):
    """A worker. `name` is its EHLO name."""

    name: str = ""


class Lab:
    """A context that starts processes on the databases with these URLs."""

    def __init__(self, *, database: str, queue: str = "") -> None:
        self.stack = contextlib.ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="mailadmin-faults-")))
        self.database = database
        self.queue = queue or f"sqlite:///{self.folder}/queue.sqlite3"
        self.workers: list[Worker] = []
        self.started = 0

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *error: object) -> None:
        """Stop all processes and remove all files; on an error, print the output of the last worker."""
        if error[0] is not None and self.workers:
            sys.stderr.write(f"--- output of the last worker:\n{self.workers[-1].output[-4000:]}\n")
        self.stack.close()

    def server(self, *, answer_ms: float = 0.0, rate: float = 0.0, password: str = "", port: int = 0) -> CountingServer:
        """Start a counting server with these options."""
        self.started += 1
        events = self.folder / f"events-{self.started}"
        arguments = ["--log", str(events), "--answer-ms", str(answer_ms), "--rate", str(rate)]
        arguments += ["--password", password, "--port", str(port)]
        process = self.process(f"server-{self.started}", ["-m", "benchmarks.faults.counting", *arguments], {})
        wait_until(lambda: "\n" in process.output or not process.is_alive(), START_SECONDS, "the server starts")
        return CountingServer(process, events, int(process.output.split()[0]))

    def worker(self, port: int, **variables: str) -> Worker:
        """Start a worker that sends to the server at `port`, with `variables` in its environment."""
        self.started += 1
        name = f"w{self.started}.test"
        environment = {**self.environment(port), "MAIL_EHLO_NAME": name, **variables}
        process = self.process(name, ["-m", "benchmarks.faults.worker"], environment)
        worker = Worker(process.process, process.log, name)
        self.workers.append(worker)
        return worker

    def environment(self, port: int) -> dict[str, str]:
        """Return the environment of a process, with the variables in .env overridden."""
        known = re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
        return {
            **{variable: "" for each in known for variable in (each, f"{each}_FILE")},
            "DATABASE_URL": self.database,
            "QUEUE_URL": self.queue,
            "SECRET_KEY": SECRET_KEY,
            "SECRETS_KEYS": SECRETS_KEYS,
            "MAIL_HOST": "127.0.0.1",
            "MAIL_PORT": str(port),
            "MAIL_ENCRYPTION": "none",
            "MAIL_FROM_ADDRESS": SENDER,
        }

    def process(self, name: str, arguments: list[str], environment: dict[str, str]) -> Process:
        """Start a Python process that ends with this one at the latest."""
        log = self.folder / f"{name}.log"
        own_number = os.getpid()
        kept = {key: value for key, value in os.environ.items() if key.startswith(("PATH", "HOME", "LANG", "TMPDIR"))}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**kept, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=(lambda: end_with(own_number)) if sys.platform == "linux" else None,
            )
        started = Process(process, log)
        self.stack.callback(started.kill)
        return started


def wait_until(condition: Callable[[], object], seconds: float, what: str, every: float = 0.02) -> float:
    """Wait for `condition` and return the seconds it took. Raises TimeoutError, naming `what` did not happen."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            message = f"not within {seconds:g} s: {what}"
            raise TimeoutError(message)
        time.sleep(every)
    return time.monotonic() - begin
