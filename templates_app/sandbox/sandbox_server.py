"""The process that renders untrusted templates: started by `client`, without Django, settings or secrets.

Its standard input is a socket over which each job arrives as a file descriptor, a socket of its own. For each job it
forks a child, which limits itself, renders, answers in JSON lines and exits. A child that takes too long is killed. The
server exits when the web process does.

A child may use one second of processor time and 256 MB, may neither write nor open files, and lives as many seconds as
the job says: two for a preview. All limits hold on Linux. macOS does not enforce the memory limit; on Windows, which
has no fork, the server does not start.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from templates_app.engine import jinja_filters
from templates_app.engine.engine import Bundle, CompiledTemplate, render_bundle
from templates_app.engine.template_errors import Problem, TemplateError

CPU_SECONDS = 1  # per child
MAX_MEMORY = 256 * 1024 * 1024  # bytes of address space that a child may add to what it starts with
NICENESS = 5
READY = b"ready\n"
PRELOADED_LANGUAGES = ("en", "de")  # whose locale data is read before the first job


def main() -> None:
    """Serve until the other end of standard input is closed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # a client that stopped waiting must not end this process
    os.nice(NICENESS)
    for language in PRELOADED_LANGUAGES:
        jinja_filters.warm_up(language)
    warm = CompiledTemplate(Bundle.from_json(WARM_UP))
    warm.render({})
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=0) as control:
        control.sendall(READY)
        ForkServer(control).serve()


class ForkServer:
    """Forks a child per job and kills those that take too long.

    `jobs` has, by process id, the job's socket and the time (of `time.monotonic`) at which the child is killed.
    """

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.jobs: dict[int, tuple[socket.socket, float]] = {}
        self.parent = os.getppid()
        # SIGCHLD writes a byte here, which ends the wait in select.
        self.ended, wakes = socket.socketpair()
        self.ended.setblocking(False)
        wakes.setblocking(False)
        self.wakes = wakes
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Take jobs until the parent is gone."""
        while os.getppid() == self.parent:
            readable, _, _ = select.select([self.control, self.ended], [], [], self.select_timeout())
            if self.ended in readable:
                with contextlib.suppress(BlockingIOError):
                    self.ended.recv(4096)
            self.reap()
            if self.control in readable:
                message, handed, _, _ = socket.recv_fds(self.control, 1, 1)
                if not message:
                    break
                for number in handed:
                    self.fork_child(socket.socket(fileno=number), lifetime=message[0])
        for process in self.jobs:
            os.kill(process, signal.SIGKILL)

    def select_timeout(self) -> float:
        """Return the seconds until the next child must be killed, at most one."""
        now = time.monotonic()
        return max(0.0, min([1.0, *(until - now for _, until in self.jobs.values())]))

    def fork_child(self, job: socket.socket, *, lifetime: int) -> None:
        """Fork a child for `job`, which may run `lifetime` seconds."""
        process = os.fork()
        if process:
            self.jobs[process] = (job, time.monotonic() + lifetime)
            return
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            run_job(job, lifetime)
        except BaseException:  # noqa: BLE001  # whatever it was, tell the client and exit
            send_line(job, {"killed": 0})
        finally:
            os._exit(0)

    def reap(self) -> None:
        """Kill the children that are out of time, and close the sockets of those that have exited."""
        now = time.monotonic()
        for process, (job, until) in list(self.jobs.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                if os.WIFSIGNALED(status):
                    send_line(job, {"killed": os.WTERMSIG(status)})
                job.close()
                del self.jobs[process]
            elif now >= until:
                os.kill(process, signal.SIGKILL)
                self.jobs[process] = (job, now + 1.0)


def send_line(job: socket.socket, answer: dict[str, Any]) -> None:
    """Send one JSON line, unless the client is gone."""
    with contextlib.suppress(OSError):
        job.sendall(json.dumps(answer).encode() + b"\n")


def run_job(job: socket.socket, lifetime: int) -> None:
    """Do one job in this child: read it, limit this process, render, answer with one line per entry."""
    signal.setitimer(signal.ITIMER_REAL, lifetime)  # kills this process even if the server is gone
    request = json.loads(read_all(job))
    bundle = Bundle.from_json(request["bundle"])
    for language in {language for _, _, language in request["entries"]} | set(bundle.content.languages):
        jinja_filters.warm_up(language)
    apply_limits(job.fileno())
    for name, values, language in request["entries"]:
        send_line(job, {"name": name, **render_entry(bundle, values, language)})


def read_all(job: socket.socket) -> bytes:
    pieces = []
    while piece := job.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def apply_limits(keep: int) -> None:
    """Close all descriptors but `keep`, and limit this process to what rendering needs."""
    memory = current_address_space() + MAX_MEMORY
    os.closerange(0, keep)
    os.closerange(keep + 1, 65536 if sys.platform == "linux" else 4096)
    for kind, most in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 0),  # none can be opened; the open one stays
        (resource.RLIMIT_CORE, 0),
        *(((resource.RLIMIT_NPROC, 0),) if hasattr(resource, "RLIMIT_NPROC") else ()),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


def current_address_space() -> int:
    """Return the bytes of address space that this process has; 0 where there is no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def render_entry(bundle: Bundle, values: dict[str, Any], language: str) -> dict[str, Any]:
    """Return the rendered texts or the problems, as JSON data."""
    try:
        rendered = render_bundle(bundle, values, language)
    except TemplateError as error:
        return {"problems": [problem_as_list(problem) for problem in error.problems]}
    except MemoryError:
        return {"problems": [problem_as_list(Problem(bundle.key, "values", 0, "This needs too much memory."))]}
    return {"rendered": [rendered.subject, rendered.html, rendered.text, rendered.language]}


def problem_as_list(problem: Problem) -> list[Any]:
    return [problem.template, problem.part, problem.line, problem.message]


WARM_UP: dict[str, Any] = {
    "key": "warm/up",
    "content": {
        "languages": {"en": {"subject": "x", "html": "<style>p{margin:0}</style><p>{{ 1|number }}{{ 'x' }}</p>"}}
    },
    "parts": {},
    "shared": {},
    "version": 0,
    "is_part": False,
}

if __name__ == "__main__":
    main()
