"""`manage.py deliver_due`: deliver what is due without a worker, once (for cron) or until stopped."""

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

from mailadmin.alarms import booking, sending
from mailadmin.connections import circuit_breaker
from mailadmin.delivery import deliver, heartbeats, maintenance

POLL_SECONDS = 1.0  # no wake-up reaches this process
HEARTBEAT_SECONDS = 5.0
DATABASE_DOWN = (DatabaseError, InterfaceError)


class Command(BaseCommand):
    """Exit 0: done or stopped; 1: the database is down."""

    help = (
        "Deliver every message that is due. With --once, end after one pass: run that from cron every minute where no "
        "worker can run. Without it, continue until SIGINT or SIGTERM; running transactions are finished. Any number "
        "of these may run at the same time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="one pass, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        # All passes that cron starts share one name: the next one reports for it again.
        name = f"{socket.gethostname()}:deliver_due"[:100] if options["once"] else deliver.worker_name()
        with stop_signal() as stopping, heartbeat(name, stays=options["once"]):
            if not options["once"]:
                self.run_until_stopped(stopping)
                return
            try:
                attempts = run_once(stopping)
            except DATABASE_DOWN as error:
                message = f"The database is down: {error}"
                raise CommandError(message) from error
            self.stdout.write(ngettext("%d attempt.", "%d attempts.", attempts) % attempts)

    def run_until_stopped(self, stopping: threading.Event) -> None:
        """Deliver what becomes due until `stopping` is set; while the database is down, keep trying."""
        while not stopping.is_set():
            try:
                run_once(stopping)
            except DATABASE_DOWN as error:
                self.stderr.write(f"The database is down: {error}")
            close_old_connections()
            stopping.wait(POLL_SECONDS)


def run_once(stopping: threading.Event) -> int:
    """Probe unreachable connections, deliver what is due, update the statistics; return how many attempts were made.

    Statistics and alarms are otherwise the worker's task; here there may be none.
    """
    if circuit_breaker.is_probe_due():
        maintenance.probe_connections()
    attempts = deliver.deliver_due(should_stop=stopping.is_set)
    if booking.check():
        sending.send_waiting()
        attempts += deliver.deliver_due(should_stop=stopping.is_set)
    maintenance.update_statistics()
    return attempts


@contextmanager
def heartbeat(name: str, *, stays: bool) -> Iterator[None]:
    """Report as alive from a thread. With `stays`, the name remains until the next pass should have come."""
    ended = threading.Event()
    thread = threading.Thread(
        target=heartbeat_loop, args=(name, ended), kwargs={"stays": stays}, name="heartbeat", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=HEARTBEAT_SECONDS)


def heartbeat_loop(name: str, ended: threading.Event, *, stays: bool) -> None:
    """Report until `ended` is set; that the database is down is for the delivering thread to report."""
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
