"""`manage.py deliver_due`: deliver what is due without a worker, once (for cron) or until it is stopped."""

from __future__ import annotations

import signal
import socket
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.utils.translation import ngettext

from mailadmin.alarms import raising
from mailadmin.delivery import deliver, heartbeats

POLL_SECONDS = 1.0  # nobody wakes this process, so it looks by itself
HEARTBEAT_SECONDS = 5.0
DATABASE_DOWN = (DatabaseError, InterfaceError)


class Command(BaseCommand):
    """Exit 0: done or stopped; 1: the database does not answer."""

    help = (
        "Deliver every mail that is due. With --once, end then: start that from cron each minute where no worker can "
        "run. Without it, go on until SIGINT or SIGTERM; mails in hand are finished. Any number may run at a time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--once", action="store_true", help="one pass, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Deliver."""
        # One name for all passes that cron starts: the next one beats for it again.
        name = f"{socket.gethostname()}:deliver_due"[:100] if options["once"] else deliver.worker_name()
        with stop_signal() as stopping, heartbeat(name, stays=options["once"]):
            if not options["once"]:
                self.go_on(stopping)
                return
            try:
                attempts = run_once(stopping)
            except DATABASE_DOWN as error:
                message = f"The database does not answer: {error}"
                raise CommandError(message) from error
            self.stdout.write(ngettext("%d attempt.", "%d attempts.", attempts) % attempts)

    def go_on(self, stopping: threading.Event) -> None:
        """Deliver what becomes due until `stopping` is set; if the database goes away, go on when it is back."""
        while not stopping.is_set():
            try:
                run_once(stopping)
            except DATABASE_DOWN as error:
                self.stderr.write(f"The database does not answer: {error}")
            close_old_connections()
            stopping.wait(POLL_SECONDS)


def run_once(stopping: threading.Event) -> int:
    """Look after unreachable connections, deliver what is due, add it up; return how many attempts were made.

    Where there is a worker, that adds up and tells of incidents; here nobody else would.
    """
    if heartbeats.probe_is_due():
        deliver.probe_connections()
    attempts = deliver.deliver_due(should_stop=stopping.is_set)
    if raising.check():
        raising.send_waiting()
        attempts += deliver.deliver_due(should_stop=stopping.is_set)
    heartbeats.keep_figures()
    return attempts


@contextmanager
def heartbeat(name: str, *, stays: bool) -> Iterator[None]:
    """Beat meanwhile in a thread. What `stays` is taken for alive until the next pass should have come."""
    ended = threading.Event()
    thread = threading.Thread(
        target=heartbeat_loop, args=(name, ended), kwargs={"stays": stays}, name="beat", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=HEARTBEAT_SECONDS)


def heartbeat_loop(name: str, ended: threading.Event, *, stays: bool) -> None:
    """Beat until it has ended; a database that is away is the delivering thread's to report."""
    while True:
        with suppress(*DATABASE_DOWN):
            heartbeats.record(name)
        close_old_connections()
        if ended.wait(HEARTBEAT_SECONDS):
            break
    if not stays:
        with suppress(*DATABASE_DOWN):
            heartbeats.remove(name)
    connection.close()


@contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """Give an event that the first SIGINT or SIGTERM sets; a second one ends the process at once."""
    stopping = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
