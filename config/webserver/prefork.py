"""The processes of the web server: one loads the application and listens, and forks the others, which serve.

What is loaded before the fork is shared (`config.wsgi` freezes it), so that a further process costs little memory and
starts at once. One that dies is replaced.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import time
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections as databases

from config.startup.supervise import end_with
from config.web.client_address import client_of, is_proxy
from config.webserver.limits import Limits
from config.webserver.serving import BACKLOG, make_server

OPEN_FILES = 16_384  # per process: connections, and the bodies on disk
SPARE_FILES = 512  # of those, for everything but connections
QUICK_DEATHS = 5  # in a row, within a second of the start each: then it is not worth another try
HANDLED = {signal.SIGINT, signal.SIGTERM}


def serve(host: str | None, port: int | None, processes: int | None) -> int:
    """Serve until a signal. Return the exit status: 0, or 1 with the reason on the standard error."""
    try:
        host, port = host or settings.WEB_HOST, port or settings.PORT
        listener = listen(host, port)
    except ImproperlyConfigured as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"The web server cannot listen on {host}, port {port}: {error.strerror}\n")
        return 1
    open_files = raise_file_limit()
    from config.wsgi import application  # noqa: PLC0415  (loads everything; the port is known to be free by now)

    databases.close_all()  # a connection must not be shared by processes
    limits = Limits()
    limits = Limits(connections=min(limits.connections, max(open_files - SPARE_FILES, open_files // 2)))
    return Prefork(listener, application, limits, processes or settings.WEB_PROCESSES).run()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listener.setblocking(False)
    return listener


def raise_file_limit() -> int:
    """Raise the number of files that a process may open, as far as the system lets us, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return OPEN_FILES if soft == resource.RLIM_INFINITY else soft


class Prefork:
    """Keeps `processes` children alive until a signal asks all of them to finish."""

    def __init__(self, listener: socket.socket, application: Any, limits: Limits, processes: int) -> None:
        self.listener, self.application, self.limits = listener, application, limits
        self.processes = processes
        self.children: dict[int, float] = {}  # process id: when it was started
        self.is_stopping = False
        self.quick_deaths = 0

    def run(self) -> int:
        for number in HANDLED:
            signal.signal(number, self.on_signal)
        for _ in range(self.processes):
            self.start()
        while self.children:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            started = self.children.pop(pid, None)
            if started is not None and not self.is_stopping:
                self.replace(started, status)
        return 1 if self.quick_deaths >= QUICK_DEATHS else 0

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask the children to finish; what is not done in time is killed by the alarm."""
        self.is_stopping = True
        self.send(signal.SIGTERM)
        signal.signal(signal.SIGALRM, lambda number, frame: self.send(signal.SIGKILL))
        signal.alarm(self.limits.stop_seconds + 2)

    def send(self, number: signal.Signals) -> None:
        for pid in self.children:
            os.kill(pid, number)

    def replace(self, started: float, status: int) -> None:
        """Start a process in place of one that died, unless they all die as soon as they are started."""
        sys.stderr.write(f"A web process ended unexpectedly (status {os.waitstatus_to_exitcode(status)}).\n")
        self.quick_deaths = self.quick_deaths + 1 if time.monotonic() - started < 1 else 0
        if self.quick_deaths >= QUICK_DEATHS:
            self.stop()
        else:
            self.start()

    def start(self) -> None:
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)  # none may be lost to the parent's handler in the child
        pid = os.fork()
        if pid == 0:
            for number in HANDLED:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            status = 1
            try:
                if sys.platform == "linux":
                    end_with(parent)
                self.serve()
                status = 0
            finally:
                os._exit(status)  # not waiting for threads that hang
        self.children[pid] = time.monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        if self.is_stopping:  # since before the fork
            self.send(signal.SIGTERM)

    def serve(self) -> None:
        """Serve requests in this process, until a signal."""
        server = make_server(self.application, self.limits, client_of=client_of, is_proxy=is_proxy)
        server.run([self.listener])
