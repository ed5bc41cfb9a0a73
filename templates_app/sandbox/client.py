"""Renders untrusted templates in a separate process that can be killed.

Compiling alone can take any amount of time and memory (Jinja folds constants), so nothing that an editor types is
compiled in the web process. Each web process starts one `sandbox_server` on first use and sends it jobs; the server
forks a child for each. Every call returns: with the result, with its problems, or saying that the sandbox is busy.

Thread-safe, and safe after the web process forks. A server that was killed is started again.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from templates_app.engine.engine import Bundle, Rendered
from templates_app.engine.template_errors import Problem
from templates_app.sandbox.sandbox_server import CPU_SECONDS, READY

MAX_CHILDREN = max(2, min(4, os.cpu_count() or 2))  # per web process
MAX_PUBLISHERS = 4  # threads that publish at once: half of a web process's threads, the others answer pages
START_TIMEOUT = 5.0  # seconds
ENTRIES_PER_CHILD = 20
MAX_ANSWER = 16_000_000  # bytes

SLOW = f"This takes too long: a template may use {CPU_SECONDS} second of processor time."
BUSY = "Too many templates are being rendered at the moment. Try again in a few seconds."
CRASHED = "This needs too much memory, or does something that templates may not do."
SKIPPED = "This was not rendered, because rendering an earlier sample was stopped."
UNREACHABLE = "Templates cannot be rendered at the moment: the sandbox process does not start."


class TimeLimits(NamedTuple):
    """How long a call may take, in seconds.

    `queue` is the longest wait for a free child, `lifetime` how long the child may run, `total` the time until the call
    returns. `admission` is the longest wait to be one of the MAX_PUBLISHERS that may queue at all.
    """

    queue: float
    lifetime: int
    total: float
    admission: float = 0.0


# A template cannot sleep, so a child that runs long is computing or waiting for a processor. A preview should fail
# early; publishing must not fail because the machine is busy.
PREVIEW = TimeLimits(queue=1.2, lifetime=2, total=2.4)
PUBLISHING = TimeLimits(queue=10, lifetime=10, total=20, admission=0.3)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one entry: `rendered`, or the `problems` that prevented it. `name` is the sample's, or empty."""

    rendered: Rendered | None
    problems: tuple[Problem, ...] = ()
    name: str = ""
    language: str = ""  # the one requested


Entry = tuple[str, Mapping[str, Any], str]  # name of the sample, values, language


def render_one(bundle: Bundle, values: Mapping[str, Any], language: str = "") -> Outcome:
    """Render `bundle` once, within 2.4 seconds. `values` are plain JSON data. Never raises."""
    return render_in_batches(bundle, [("", values, language)], PREVIEW)[0]


def render_all(bundle: Bundle, entries: Iterable[Entry]) -> list[Outcome]:
    """Render `bundle` with each entry, and return the outcomes in order. Never raises.

    Twenty entries share one child and its limits; once a child is stopped, the remaining entries are skipped. As these
    calls may wait long, only MAX_PUBLISHERS wait at once; for any other, every outcome says BUSY.
    """
    waiting = list(entries)
    with acquired(_publishers, PUBLISHING.admission) as is_admitted:
        return render_in_batches(bundle, waiting, PUBLISHING) if is_admitted else unrendered(bundle, waiting, BUSY)


def render_in_batches(bundle: Bundle, waiting: list[Entry], limits: TimeLimits) -> list[Outcome]:
    """Return the outcomes of the entries, in order. Never raises."""
    outcomes: list[Outcome] = []
    while waiting:
        batch, waiting = waiting[:ENTRIES_PER_CHILD], waiting[ENTRIES_PER_CHILD:]
        answers, reason = run_child(bundle, batch, limits)
        for (name, _, language), answer in zip(batch, answers, strict=False):
            outcomes.append(outcome_from(answer, name, language))
        if len(answers) < len(batch):
            return outcomes + unrendered(bundle, [*batch[len(answers) :], *waiting], reason)
    return outcomes


def unrendered(bundle: Bundle, entries: Sequence[Entry], reason: str) -> list[Outcome]:
    """Return the outcomes of entries that `reason` kept from being rendered.

    Where the reason is the template, it applies to the first entry only; the others were skipped.
    """
    is_template_fault = reason not in {BUSY, UNREACHABLE}
    outcomes = []
    for number, (name, _, language) in enumerate(entries):
        message = SKIPPED if number and is_template_fault else reason
        problem = Problem(bundle.key, "html" if message in {SLOW, CRASHED} else "values", 0, message)
        outcomes.append(Outcome(rendered=None, problems=(problem,), name=name, language=language))
    return outcomes


def outcome_from(answer: Mapping[str, Any], name: str, language: str) -> Outcome:
    """Return the outcome that one line of a child's answer describes."""
    if "rendered" in answer:
        return Outcome(rendered=Rendered(*answer["rendered"]), name=name, language=language)
    problems = tuple(Problem(*problem) for problem in answer["problems"])
    return Outcome(rendered=None, problems=problems, name=name, language=language)


def run_child(bundle: Bundle, entries: Sequence[Entry], limits: TimeLimits) -> tuple[list[Mapping[str, Any]], str]:
    """Return the answers of one child and, if they are fewer than the entries, the reason."""
    deadline = time.monotonic() + limits.total
    with acquired(_children, limits.queue) as is_free:
        if not is_free:
            return [], BUSY
        request = json.dumps({"bundle": bundle.as_json(), "entries": list(entries)}, default=str).encode()
        for _ in range(2):  # only using a server shows that it was killed
            try:
                with _server.job(limits.lifetime) as job:
                    deadline = max(deadline, time.monotonic() + 0.5)
                    return read_answers(job, request, len(entries), deadline)
            except OSError:
                _server.stop()
        return [], UNREACHABLE


def read_answers(
    job: socket.socket, request: bytes, count: int, deadline: float
) -> tuple[list[Mapping[str, Any]], str]:
    """Send the request and read one line per entry, until the child is done, dead or late. Raises OSError."""
    answers: list[Mapping[str, Any]] = []
    received = bytearray()
    try:
        job.settimeout(max(0.01, deadline - time.monotonic()))
        job.sendall(request)
        job.shutdown(socket.SHUT_WR)
        while len(answers) < count:
            job.settimeout(max(0.01, deadline - time.monotonic()))
            piece = job.recv(1 << 20)
            if not piece or len(received) > MAX_ANSWER:
                if not piece and not answers and not received:
                    raise ConnectionResetError
                return answers, CRASHED
            received += piece
            while (end := received.find(b"\n")) >= 0:
                answer = json.loads(bytes(received[:end]))
                del received[: end + 1]
                if "killed" in answer:
                    return answers, reason_for_signal(answer["killed"])
                answers.append(answer)
    except TimeoutError:
        return answers, SLOW
    return answers, ""


def reason_for_signal(number: int) -> str:
    """Return what the signal that killed a child says about the template."""
    return SLOW if number in {signal.SIGXCPU, signal.SIGKILL, signal.SIGALRM} else CRASHED


@contextlib.contextmanager
def acquired(semaphore: threading.BoundedSemaphore, timeout: float) -> Iterator[bool]:
    """Hold `semaphore`, waiting up to `timeout` seconds; yields whether it was acquired."""
    is_acquired = semaphore.acquire(timeout=timeout)
    try:
        yield is_acquired
    finally:
        if is_acquired:
            semaphore.release()


class ServerProcess:
    """The sandbox server of this process, started when first needed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None

    @contextlib.contextmanager
    def job(self, lifetime: int) -> Iterator[socket.socket]:
        """Yield a socket to a new child that is killed after `lifetime` seconds. Raises OSError."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, self.lock:
                control = self.started()
                socket.send_fds(control, [bytes([lifetime])], [theirs.fileno()])
            yield ours

    def started(self) -> socket.socket:
        """Return the control socket of the server, started if need be. Call with the lock held. Raises OSError."""
        if self.control is not None and self.process is not None and self.process.poll() is None:
            return self.control
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(  # fixed arguments: our module, this Python
                [sys.executable, "-s", "-m", "templates_app.sandbox.sandbox_server"],
                cwd=Path(__file__).resolve().parent.parent,
                # Of this process's environment, only where the modules are: no secrets.
                env={
                    "PATH": os.defpath,
                    "LANG": "C.UTF-8",
                    "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
                },
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                close_fds=True,
                start_new_session=True,  # Ctrl-C reaches the web process only; the server ends with it
            )
        self.control = ours
        ours.settimeout(START_TIMEOUT)
        if ours.recv(len(READY)) != READY:
            raise ConnectionResetError
        return ours

    def stop(self) -> None:
        """End the server, so that the next job starts a new one."""
        with self.lock:
            self.close()

    def close(self) -> None:
        """End the server. Call with the lock held."""
        if self.control is not None:
            self.control.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.control = self.process = None


def warm_up() -> None:
    """Start the server in the background, so that the first preview does not wait for it."""
    threading.Thread(target=start_in_background, name="sandbox", daemon=True).start()


def start_in_background() -> None:
    with contextlib.suppress(OSError), _server.lock:  # the next job reports that it does not start
        _server.started()


def reset_after_fork() -> None:
    """Give a forked process a server and semaphores of its own; the parent's stay the parent's."""
    global _server, _children, _publishers
    if _server.control is not None:
        _server.control.close()
    if _server.process is not None:
        _server.process.returncode = 0  # not ours to wait for
    _server, _children = ServerProcess(), threading.BoundedSemaphore(MAX_CHILDREN)
    _publishers = threading.BoundedSemaphore(MAX_PUBLISHERS)


_server = ServerProcess()
_children = threading.BoundedSemaphore(MAX_CHILDREN)
_publishers = threading.BoundedSemaphore(MAX_PUBLISHERS)
os.register_at_fork(after_in_child=reset_after_fork)
