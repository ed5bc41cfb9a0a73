"""The worker's job queue: one Huey object with its storage at ``QUEUE_URL``.

No write to it waits for the disk: it holds only wake-ups, and one that a power cut takes costs the time to the next
heartbeat. What was promised is in the mail database, which does wait.
"""

import threading
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.core.exceptions import ImproperlyConfigured
from huey import Huey, PostgresHuey, RedisHuey
from huey.consumer import Consumer
from huey.serializer import SignedSerializer
from huey.storage import SqliteStorage


class StoppingConsumer(Consumer):  # type: ignore[misc]  # Huey has no types
    """Tells running jobs to finish, through the event `huey.stopping`, before it waits for them."""

    def stop(self, graceful: bool = False) -> None:
        self.huey.stopping.set()
        super().stop(graceful=graceful)


class WakeupStorage(SqliteStorage):  # type: ignore[misc]  # Huey has no types
    """Huey's storage in SQLite. NORMAL: no commit waits for the disk, and a power cut cannot damage the file.

    Huey's own `fsync=False` sets OFF, after which a power cut may leave a file that no longer opens.
    """

    def _create_connection(self) -> Any:
        connection = super()._create_connection()
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


def open_queue(url: str, secret: str) -> Huey:
    """Return the queue at `url`; its event `stopping` is set when the consumer is asked to stop."""
    queue = open_store(url, secret)
    queue.stopping = threading.Event()
    queue.create_consumer = partial(StoppingConsumer, queue)
    return queue


def open_store(url: str, secret: str) -> Huey:
    """Return the queue at `url`, as `parsers.queue` returns it. Raises ImproperlyConfigured if it does not open.

    Jobs are pickled, so they are signed with `secret`: write access to the store is not enough to run code here.
    Results are not stored, because the jobs are only wake-ups.
    """
    scheme = urlsplit(url).scheme
    common = {"serializer": SignedSerializer(secret=secret), "results": False}
    try:
        if scheme == "sqlite":
            path = Path(url.removeprefix("sqlite:///"))
            path.parent.mkdir(parents=True, exist_ok=True)
            return Huey("mailadmin", storage_class=WakeupStorage, filename=str(path), **common)
        if scheme.startswith("postgres"):
            return PostgresHuey("mailadmin", connection=partial(connect, url), **common)
        return RedisHuey("mailadmin", url=url, **common)
    except Exception as error:  # noqa: BLE001  (every store raises errors of its own library)
        password = urlsplit(url).password
        reason = str(error).replace(password, "***") if password else str(error)
        message = f"QUEUE_URL: the queue's storage cannot be opened: {reason}"
        raise ImproperlyConfigured(message) from None


def connect(url: str) -> psycopg.Connection[Any]:
    """Return a connection to the queue in PostgreSQL whose commits do not wait for the disk."""
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("SET synchronous_commit = off")
    return connection
