"""Wakes a worker. A wake-up that is lost costs the time to the next heartbeat, never a message."""

import logging
from collections.abc import Callable

from django.conf import settings
from huey.contrib.djhuey import db_task

from mailadmin.delivery import deliver

LOOK_AT = 5  # waiting jobs among which a wake-up is looked for

logger = logging.getLogger(__name__)


@db_task()  # type: ignore[untyped-decorator]
def deliver_due_mails() -> None:
    """Deliver everything that is due; the job that every wake-up queues."""
    deliver.deliver_due(should_stop=settings.HUEY.stopping.is_set, wake_others=deliver_due_mails)


def wake_worker() -> None:
    """Tell a worker that messages are due, which must be committed.

    A wake-up that no worker has taken yet will find them, too; another one would be a second commit for every message.
    """
    enqueue_task(wake_unless_waiting)


def wake_unless_waiting() -> None:
    if not any(isinstance(task, deliver_due_mails.task_class) for task in settings.HUEY.pending(limit=LOOK_AT)):
        deliver_due_mails()


def enqueue_task(task: Callable[[], object]) -> None:
    """Queue `task` for a worker. If the queue does not answer, the next heartbeat finds the work in the database."""
    try:
        task()
    except Exception:  # whatever the queue's store raises
        logger.warning("The worker could not be woken; it checks for work every few seconds.", exc_info=True)
