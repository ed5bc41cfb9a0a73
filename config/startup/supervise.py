"""Runs the web server and the worker as two processes and stops both together, whichever of the three ends first.

It does not import Django, to stay small. Each child leads a process group of its own, so Ctrl-C reaches only the
supervisor, which then stops both in order. On Linux the kernel ends the children if the supervisor is killed. Why not
honcho: docs/decisions/0015-the-supervisor-is-our-own.md.
"""

import argparse
import contextlib
import ctypes
import http.client
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

BASE_DIR = Path(__file__).resolve().parents[2]
START_SECONDS = 60  # for the web server to answer
STOP_SECONDS = 25  # for both to finish what they are doing before they are killed
WORKER_SECONDS = 20  # of those, for the messages in flight
SETUP_LINK = "MAILADMIN_SETUP_LINK"  # set by `config.startup.serve`, and passed on to no child
REACHABLE_AS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (what listens on all addresses answers on this one)
PR_SET_PDEATHSIG = 1  # linux/prctl.h

WORKER = [
    "manage.py",
    "run_huey",
    # `config.startup.serve` has run Django's checks. They import all views, which would cost a worker 11 MB of memory.
    "--skip-checks",
    # One thread may be busy with a long delivery while the other runs the periodic jobs.
    "--workers=2",
    # SQLite has to be polled: an idle worker does so four times per second, which limits the delay of a message.
    "--delay=0.05",
    "--max-delay=0.25",
    "--graceful-signal=TERM",
    f"--shutdown-timeout={WORKER_SECONDS}",
    "--quiet",
]


@dataclass
class Child:
    """A supervised process."""

    name: str
    process: "subprocess.Popen[bytes]"

    @property
    def status(self) -> int | None:
        """The exit status, or the number of the signal that ended the process; None while it runs.

        The process stays a zombie, so that its number is not reused before `Supervisor.stop` has finished with it.
        """
        ended = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended.si_status if ended else None

    def ask_to_finish(self) -> None:
        """Terminate it; if it has ended already, kill the rest of its process group."""
        if self.status is None:
            self.process.terminate()
        else:
            self.kill()

    def kill(self) -> None:
        """Kill what is left of its process group: the web server has child processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    """Starts the children, waits for the end, stops them."""

    def __init__(self) -> None:
        self.children: list[Child] = []
        self.signals = 0

    def start(self, name: str, arguments: list[str]) -> Child:
        """Start a Python process, called `name` in messages."""
        own_number = os.getpid()
        process = subprocess.Popen(  # noqa: S603  (our own programs, no shell)
            [sys.executable, *arguments],
            cwd=BASE_DIR,
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=(lambda: end_with(own_number)) if sys.platform == "linux" else None,
        )
        self.children.append(Child(name, process))
        return self.children[-1]

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Count the requests to stop; the loops check the count."""
        self.signals += 1

    def ended(self) -> Child | None:
        """Return a child that is no longer running, or None."""
        return next((child for child in self.children if child.status is not None), None)

    def watch(self, seconds: float = float("inf"), host: str = "", port: int = 0) -> bool:
        """Wait for a signal, for the end of a child, for `seconds`, or for the web server on `port` to respond.

        Return whether the web server responded.
        """
        deadline = time.monotonic() + seconds
        while not self.signals and not self.ended() and time.monotonic() < deadline:
            if port and web_server_answers(host, port):
                return True
            time.sleep(0.05 if port else 0.2)
        return False

    def stop(self) -> None:
        """Ask all children to finish; kill what is left when time is up or at a second signal."""
        for child in self.children:
            child.ask_to_finish()
        signals, deadline = self.signals, time.monotonic() + STOP_SECONDS
        while any(child.status is None for child in self.children):
            if self.signals > signals or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        for child in self.children:
            child.kill()
            child.process.wait()


def end_with(parent: int) -> None:
    """Have the kernel send SIGTERM to this new process when its parent dies (Linux; survives exec)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before that took effect
        os._exit(1)


def web_server_answers(host: str, port: int) -> bool:
    """Return whether an HTTP response arrives, whatever its status."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def say(message: str) -> None:
    """Print `message` and flush, in case the output goes to a file."""
    sys.stdout.write(f"{message}\n")
    sys.stdout.flush()


def supervise(*, host: str, port: int, setup_link: str = "") -> int:
    """Run the worker, and the web server if there is a `port`, until asked to stop. Return the exit status."""
    supervisor = Supervisor()
    reachable = REACHABLE_AS.get(host, host)
    address = f"http://{f'[{reachable}]' if ':' in reachable else reachable}:{port}"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # ignored: started by nohup
            signal.signal(number, supervisor.on_signal)
    try:
        if port:
            supervisor.start("web server", ["-m", "config.webserver", f"--host={host}", f"--port={port}"])
        supervisor.start("worker", WORKER)
        if not port:
            say("A worker is running. Ctrl-C stops it.")
        elif supervisor.watch(START_SECONDS, reachable, port):
            say(f"Mailadmin is running at {address} - Ctrl-C stops it.")
            if setup_link:
                say(f"Create the first administrator at {setup_link}")
        elif not supervisor.signals and not supervisor.ended():
            say(f"The web server has not responded within {START_SECONDS} seconds.")
            return 1
        supervisor.watch()
        ended = supervisor.ended()
        if supervisor.signals:
            say(f"Stopping. Messages in flight get up to {WORKER_SECONDS} seconds; press Ctrl-C again to stop at once.")
        elif ended:
            say(f"The {ended.name} stopped unexpectedly (status {ended.status}), so Mailadmin stops.")
            return 1
    finally:
        supervisor.stop()
    return 0


def main() -> None:
    """Parse the command line that `config.startup.serve` builds."""
    parser = argparse.ArgumentParser(prog="python -m config.startup.supervise")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: no web server")
    options = parser.parse_args()
    sys.exit(supervise(host=options.host, port=options.port, setup_link=os.environ.pop(SETUP_LINK, "")))


if __name__ == "__main__":
    main()
