"""Scratch databases and queues for experiments: created, migrated, and removed at the end."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING

import django
import psycopg
from django.conf import settings
from django.core.management import call_command
from huey.serializer import SignedSerializer
from psycopg import sql

from benchmarks.faults.lab import SECRET_KEY, SENDER, Lab
from config.environment.reader import MailEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterator

POSTGRES = os.environ.get("BENCH_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("BENCH_REDIS", "redis://127.0.0.1:6379")
REDIS_DATABASES = range(10, 16)  # of the default sixteen; concurrent runs use different ones


@contextlib.contextmanager
def laboratory(*, database: str, queue: str) -> Iterator[Lab]:
    """Set Django up on new stores (`database`: sqlite, postgres; `queue`: also redis), and remove them at the end."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mailadmin-faults-"))
        name = f"mailadmin_faults_{os.getpid()}"
        postgres = POSTGRES.rpartition("/")[0] + f"/{name}"
        if "postgres" in (database, queue):
            execute("CREATE DATABASE {}", name)
            stack.callback(execute, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        queues = {
            "sqlite": f"sqlite:///{folder}/queue.sqlite3",
            "postgres": postgres,
            "redis": f"{REDIS}/{REDIS_DATABASES[os.getpid() % len(REDIS_DATABASES)]}",
        }
        os.environ.update(
            DJANGO_SETTINGS_MODULE="config.settings_test",
            DATABASE_URL=postgres if database == "postgres" else f"sqlite:///{folder}/app.sqlite3",
            QUEUE_URL=queues[queue],
        )
        django.setup()
        settings.MAIL = MailEnvironment(from_address=SENDER)
        settings.HUEY.serializer = SignedSerializer(secret=SECRET_KEY)  # as the workers sign
        settings.HUEY.flush()
        stack.callback(settings.HUEY.flush)
        call_command("migrate", verbosity=0)
        yield stack.enter_context(Lab(database=os.environ["DATABASE_URL"], queue=queues[queue]))


def execute(statement: str, database: str) -> None:
    with psycopg.connect(POSTGRES, autocommit=True, connect_timeout=60) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(database)))
