"""What the worker runs: wake-ups, and a beat every few seconds.

The jobs are only wake-ups: one that is lost costs the time to the next beat, never a mail. The beat says that this
worker lives, makes mails due again whose worker died, and wakes for what became due by itself.
"""

import logging
import threading

from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone
from huey.contrib.djhuey import db_task, on_startup

from mailadmin.alarms import raising
from mailadmin.delivery import deliver, heartbeats
from mailadmin.delivery.wakeup import deliver_due_mails
from mailadmin.operations import bulk
from maillog.retention import pruning

HEARTBEAT_SECONDS = 4.0  # a dead worker is noticed within five seconds of the end of its lease

logger = logging.getLogger(__name__)
heartbeat_started = threading.Lock()


@db_task()  # type: ignore[untyped-decorator]
def probe_connections() -> None:
    """Look after unreachable connections."""
    deliver.probe_connections()


@db_task()  # type: ignore[untyped-decorator]
def run_bulk_actions() -> None:
    """Do what somebody asked to be done with many mails."""
    bulk.run(should_stop=settings.HUEY.stopping.is_set)


@db_task()  # type: ignore[untyped-decorator]
def send_alarms() -> None:
    """Tell of incidents."""
    raising.send_waiting()


@db_task()  # type: ignore[untyped-decorator]
def prune_log() -> None:
    """Remove what is too old, if nobody did within the hour."""
    pruning.prune_hourly(should_stop=settings.HUEY.stopping.is_set)
    raising.clean_up(timezone.now())


@on_startup()  # type: ignore[untyped-decorator]
def start_heartbeat() -> None:
    """Start the beat, once a process; every worker thread calls this."""
    if heartbeat_started.acquire(blocking=False):
        threading.Thread(target=heartbeat_loop, name="beat", daemon=True).start()


def heartbeat_loop() -> None:
    """Beat until the worker stops."""
    name = deliver.worker_name()
    while not settings.HUEY.stopping.is_set():
        try:
            heartbeats.record(name)
            if heartbeats.look():
                deliver_due_mails()
            if heartbeats.probe_is_due():
                probe_connections()
            if bulk.has_work():
                run_bulk_actions()
            if pruning.is_due(timezone.now()):
                prune_log()
            heartbeats.keep_figures()
            if raising.check():
                send_alarms()
        except DatabaseError as error:
            logger.warning("The database does not answer: %s", error)
        except Exception:
            logger.exception("A beat failed.")
        finally:
            close_old_connections()
        settings.HUEY.stopping.wait(HEARTBEAT_SECONDS)
    heartbeats.remove(name)
