"""Tries out templates that nobody has vouched for, where they can do no harm: in a process that can be killed.

Compiling alone can cost any amount of time and memory (constants are folded), so that nothing that an editor types is
compiled in the web process. Each web process starts one `workshop_server`, on first use, and hands it jobs; the server
forks a child for each. An answer always comes: the result, its problems, or that too much is going on.

Works from several threads, and after the web process has forked. A server that was killed is started again.
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

MAX_CHILDREN = max(2, min(4, os.cpu_count() or 2))  # children of this web process
MAX_PUBLISHERS = 4  # threads of this web process that publish at once; half of them, the others answer pages meanwhile
START_TIMEOUT = 5.0  # seconds that the server may take to start, once
ENTRIES_PER_CHILD = 20  # that one child renders
MAX_ANSWER = 16_000_000  # bytes

SLOW = f"This takes too long: a template may use {CPU_SECONDS} second of processor time."
BUSY = "Too many templates are being tried out at the moment. Try again in a few seconds."
CRASHED = "This needs too much memory, or more than a template may do."
SKIPPED = "This was not tried, because what came before it was stopped."
UNREACHABLE = "Templates cannot be tried out at the moment: the process that does it does not start."


class TimeLimits(NamedTuple):
    """Seconds that one may wait for a child to become free, that the child may live, and until there is an answer.

    `door` are those to wait for being one of the few who may wait for a child at all.
    """

    turn: float
    life: int
    answer: float
    door: float = 0.0


# Templates cannot sleep, so that time passes for them only as fast as the machine is free. Whoever looks at a preview
# has less patience than whoever publishes something, which must not fail because the machine is busy.
PREVIEW = TimeLimits(turn=1.2, life=2, answer=2.4)
PUBLISHING = TimeLimits(turn=10, life=10, answer=20, door=0.3)
REFUSED = TimeLimits(turn=0, life=0, answer=0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one entry: either `rendered`, or `problems` that say why not. `name` is the sample's, or empty."""

    rendered: Rendered | None
    problems: tuple[Problem, ...] = ()
    name: str = ""
    language: str = ""  # the one that was asked for


Entry = tuple[str, Mapping[str, Any], str]  # name of the sample, values, language


def render_one(bundle: Bundle, values: Mapping[str, Any], language: str = "") -> Outcome:
    """Render `bundle` once and return what became of it, within 2.4 seconds. `values` are plain JSON data."""
    return outcomes_of(bundle, [("", values, language)], PREVIEW)[0]


def render_all(bundle: Bundle, entries: Iterable[Entry]) -> list[Outcome]:
    """Render `bundle` with each sample in each language, and return what became of them, in order.

    Twenty share one child and its limits; after a child that was stopped, the rest is not tried. Publishing may wait
    long for its turn, so that only a few may: whoever comes beyond them is told at once.
    """
    with slot(_publishers, PUBLISHING.door) as is_mine:
        return outcomes_of(bundle, list(entries), PUBLISHING if is_mine else REFUSED)


def outcomes_of(bundle: Bundle, waiting: list[Entry], pace: TimeLimits) -> list[Outcome]:
    """Return what became of the entries, in order. Raises nothing."""
    outcomes: list[Outcome] = []
    while waiting:
        batch, waiting = waiting[:ENTRIES_PER_CHILD], waiting[ENTRIES_PER_CHILD:]
        answers, reason = run_child(bundle, batch, pace)
        for (name, _, language), answer in zip(batch, answers, strict=False):
            outcomes.append(outcome_from(answer, name, language))
        if len(answers) < len(batch):
            is_ours = reason in {BUSY, UNREACHABLE}  # no fault of the template
            for number, (name, _, language) in enumerate([*batch[len(answers) :], *waiting]):
                words = SKIPPED if number and not is_ours else reason
                problem = Problem(bundle.key, "html" if words in {SLOW, CRASHED} else "values", 0, words)
                outcomes.append(Outcome(rendered=None, problems=(problem,), name=name, language=language))
            break
    return outcomes


def outcome_from(answer: Mapping[str, Any], name: str, language: str) -> Outcome:
    """Return the outcome that a child's line describes."""
    if "rendered" in answer:
        return Outcome(rendered=Rendered(*answer["rendered"]), name=name, language=language)
    problems = tuple(Problem(*problem) for problem in answer["problems"])
    return Outcome(rendered=None, problems=problems, name=name, language=language)


def run_child(bundle: Bundle, entries: Sequence[Entry], pace: TimeLimits) -> tuple[list[Mapping[str, Any]], str]:
    """Return the answers of one child, and why there are fewer than entries if there are."""
    until = time.monotonic() + pace.answer
    with slot(_turns, pace.turn) as is_mine:
        if not is_mine or pace is REFUSED:
            return [], BUSY
        order = json.dumps({"bundle": bundle.as_json(), "entries": list(entries)}, default=str).encode()
        for _ in range(2):  # a server that was killed is noticed when it is needed
            try:
                with _server.job(pace.life) as job:
                    until = max(until, time.monotonic() + 0.5)
                    return read_answers(job, order, len(entries), until)
            except OSError:
                _server.stop()
        return [], UNREACHABLE


def read_answers(job: socket.socket, order: bytes, count: int, until: float) -> tuple[list[Mapping[str, Any]], str]:
    """Hand over the order and read a line for each entry, until the child is done, dead or late. Raises OSError."""
    answers: list[Mapping[str, Any]] = []
    received = bytearray()
    try:
        job.settimeout(max(0.01, until - time.monotonic()))
        job.sendall(order)
        job.shutdown(socket.SHUT_WR)
        while len(answers) < count:
            job.settimeout(max(0.01, until - time.monotonic()))
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
    """Return why a child was killed by the signal `number`."""
    return SLOW if number in {signal.SIGXCPU, signal.SIGKILL, signal.SIGALRM} else CRASHED


@contextlib.contextmanager
def slot(turns: threading.BoundedSemaphore, most: float) -> Iterator[bool]:
    """Wait up to `most` seconds for one of the `turns` to become free; gives whether one did."""
    is_mine = turns.acquire(timeout=most)
    try:
        yield is_mine
    finally:
        if is_mine:
            turns.release()


class ServerProcess:
    """The process that this one has started, if any."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None

    @contextlib.contextmanager
    def job(self, life: int) -> Iterator[socket.socket]:
        """Give one end of a socket; a child, which lives `life` seconds at most, has the other. Raises OSError."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, self.lock:
                control = self.started()
                socket.send_fds(control, [bytes([life])], [theirs.fileno()])
            yield ours

    def started(self) -> socket.socket:
        """Return the socket to the server, starting it if there is none. Raises OSError."""
        if self.control is not None and self.process is not None and self.process.poll() is None:
            return self.control
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(  # our own module, by this Python
                [sys.executable, "-s", "-m", "templates_app.sandbox.sandbox_server"],
                cwd=Path(__file__).resolve().parent.parent,
                # Nothing of what the web process was told but where modules are.
                env={
                    "PATH": os.defpath,
                    "LANG": "C.UTF-8",
                    "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
                },
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                close_fds=True,
                start_new_session=True,  # Ctrl-C is for the web process; this one ends with it
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
        """End the server, with the lock held."""
        if self.control is not None:
            self.control.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.control = self.process = None


def warm_up() -> None:
    """Start the server in the background, so that the first preview does not wait for it."""
    threading.Thread(target=start_in_background, name="workshop", daemon=True).start()


def start_in_background() -> None:
    """Start the server; whoever needs it is told if that fails."""
    with contextlib.suppress(OSError), _server.lock:
        _server.started()


def reset_after_fork() -> None:
    """Forget, in a child of this process, the server that belongs to its parent."""
    global _server, _turns, _publishers  # they belong to one process
    if _server.control is not None:
        _server.control.close()
    if _server.process is not None:
        _server.process.returncode = 0  # not ours to wait for
    _server, _turns = ServerProcess(), threading.BoundedSemaphore(MAX_CHILDREN)
    _publishers = threading.BoundedSemaphore(MAX_PUBLISHERS)


_server = ServerProcess()
_turns = threading.BoundedSemaphore(MAX_CHILDREN)
_publishers = threading.BoundedSemaphore(MAX_PUBLISHERS)
os.register_at_fork(after_in_child=reset_after_fork)
