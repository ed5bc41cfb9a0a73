"""What the worker runs: the queued jobs, and a heartbeat every few seconds.

Jobs are only wake-ups: one that is lost costs the time to the next heartbeat, never a message. The heartbeat reports
that this worker is alive, recovers the messages of dead workers, and queues jobs for everything that has become due.
"""

import logging
import threading

from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone
from huey.contrib.djhuey import db_task, on_startup

from mailadmin.alarms import booking, sending
from mailadmin.connections import circuit_breaker
from mailadmin.delivery import deliver, heartbeats, maintenance
from mailadmin.delivery.wakeup import deliver_due_mails
from mailadmin.operations import bulk
from maillog.retention import pruning

HEARTBEAT_SECONDS = 4.0  # a dead worker is noticed within five seconds of the end of its lease

logger = logging.getLogger(__name__)
heartbeat_started = threading.Lock()


@db_task()  # type: ignore[untyped-decorator]
def probe_connections() -> None:
    maintenance.probe_connections()


@db_task()  # type: ignore[untyped-decorator]
def run_bulk_actions() -> None:
    bulk.run(should_stop=settings.HUEY.stopping.is_set)


@db_task()  # type: ignore[untyped-decorator]
def send_alarms() -> None:
    sending.send_waiting()


@db_task()  # type: ignore[untyped-decorator]
def prune_log() -> None:
    """Delete what is past its retention, at most once an hour."""
    pruning.prune_hourly(should_stop=settings.HUEY.stopping.is_set)
    booking.clean_up(timezone.now())


@on_startup()  # type: ignore[untyped-decorator]
def start_heartbeat() -> None:
    """Start the heartbeat once per process; every worker thread calls this."""
    if heartbeat_started.acquire(blocking=False):
        threading.Thread(target=heartbeat_loop, name="heartbeat", daemon=True).start()


def heartbeat_loop() -> None:
    name = deliver.worker_name()
    while not settings.HUEY.stopping.is_set():
        try:
            heartbeats.record(name)
            if deliver.make_due():
                deliver_due_mails()
            if circuit_breaker.is_probe_due():
                probe_connections()
            if bulk.has_work():
                run_bulk_actions()
            if pruning.is_due(timezone.now()):
                prune_log()
            maintenance.update_statistics()
            if booking.check():
                send_alarms()
        except DatabaseError as error:
            logger.warning("The database is down: %s", error)
        except Exception:
            logger.exception("A heartbeat failed.")
        finally:
            close_old_connections()
        settings.HUEY.stopping.wait(HEARTBEAT_SECONDS)
    heartbeats.remove(name)
