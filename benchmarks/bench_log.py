"""Searching the log: the whole page at a million mails on SQLite and PostgreSQL, and what recording pays for the index.

``python -m benchmarks.bench_log [--rows N] [--only sqlite|postgres] [--plans]``; one JSON line a figure. Each engine
has a process and a scratch database of its own. Pages are asked for by Django's test client, signed in as an
administrator; `database` is the part that the statements on the log took.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote_plus

import django

from benchmarks.drain.scratch import Scratch, postgres_answers
from benchmarks.figures import report

REQUESTS = 40
MOST_SECONDS = 2.0  # for one kind of page
RECORDED = 4_000
ROUNDS = 3


def main() -> None:
    """Run each engine in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", choices=["sqlite", "postgres"])
    parser.add_argument("--plans", action="store_true", help="print how the database carries the searches out")
    options = parser.parse_args()
    if "BENCH_LOG_ENGINE" in os.environ:
        measure(os.environ["BENCH_LOG_ENGINE"], options.rows, show_plans=options.plans)
        return
    engines = [options.only] if options.only else ["sqlite", *(["postgres"] if postgres_answers() else [])]
    with Scratch() as scratch:
        for engine in engines:
            environment = {
                **os.environ,
                "BENCH_LOG_ENGINE": engine,
                "DJANGO_SETTINGS_MODULE": "config.settings_test",
                "DATABASE_URL": scratch.database(engine, "log"),
                "QUEUE_URL": scratch.database("sqlite", f"queue_{engine}"),
            }
            command = [sys.executable, "-m", "benchmarks.bench_log", *sys.argv[1:]]
            subprocess.run(command, env=environment, check=True)


def measure(engine: str, count: int, *, show_plans: bool) -> None:
    """Fill, look, record."""
    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.utils import timezone

    from benchmarks.log_data import fill
    from users.models import User

    tell = partial(report, f"log {engine}", rows=count)
    call_command("migrate", verbosity=0)
    begin = time.perf_counter()
    fill(count, now=timezone.now())
    if engine == "postgres":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    tell("filled", count / (time.perf_counter() - begin), "mails/s")
    sizes(tell)

    admin = User.objects.create_superuser("admin@example.com", "correct-horse-battery")
    client = Client(headers={"host": "localhost"})
    client.force_login(admin, backend=settings.AUTHENTICATION_BACKENDS[0])

    def get(address: str) -> None:
        response = client.get(f"/log/{address}")
        assert response.status_code == 200, (address, response.status_code)
        assert b"Nothing is listed" not in response.content, address

    for name, address in pages(count).items():
        found = milliseconds(partial(get, address))
        p95 = statistics.quantiles(found, n=20)[18]
        own = round(statistics.median(in_database(partial(get, address)) for _ in range(5)), 1)
        tell(name, statistics.median(found), "ms", p95=round(p95, 1), database=own, page=address)
        if show_plans:
            plans(name, partial(get, address))
    recording(tell)


def pages(count: int) -> dict[str, str]:
    """Return the ten pages, and some combinations that are hard for one engine or the other."""
    from maillog.models import Message

    deep = Message.objects.order_by("id").values_list("id", flat=True)[60]
    somebody = Message.objects.order_by("id")[count // 3]
    queries = {
        "rare recipient": somebody.to_text,
        "part of an address": f"{somebody.to_text.partition('@')[0]}@",
        "domain, begun": "example.c",
        "rare subject word": "Order " + str(count // 8 * 8 // 2),
        "common word": "invoice",
        "word that is nowhere": "zeppelin",
        "error, a phrase": '"no such user"',
        "word, state and connection": 'invoice status:failed connection:"Relay B"',
        "common word, state without mails": "invoice status:cancelled",
        "common word, two common names": "northwind connection:environment driver:smtp",
        "word within some days": f"invoice after:{day(60)} before:{day(50)}",
        "everything but a word": "-invoice -parcel to:garcia",
        "a word nearly everywhere, negated": "-northwind",
        "tests": "is:test",
    }
    return {
        "first page": "",
        "failed": "?q=status:failed",
        "last page": f"?before={deep}",
        **{name: f"?q={quote_plus(query)}" for name, query in queries.items()},
    }


def day(ago: int) -> str:
    """Return the day that many days ago."""
    from django.utils import timezone

    return f"{timezone.localdate() - timedelta(days=ago):%Y-%m-%d}"


def milliseconds(work: Callable[[], object]) -> list[float]:
    """Return the times of calls, after two that do not count; fewer of them where each takes long."""
    for _ in range(2):
        work()
    found: list[float] = []
    limit = time.perf_counter() + MOST_SECONDS
    while len(found) < REQUESTS and (len(found) < 5 or time.perf_counter() < limit):
        start = time.perf_counter()
        work()
        found.append((time.perf_counter() - start) * 1000)
    return found


def in_database(work: Callable[[], object]) -> float:
    """Return the milliseconds that `work` waited for the log's tables."""
    from django.db import connection

    spent = 0.0

    def timed(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        nonlocal spent
        start = time.perf_counter()
        try:
            return execute(sql, *arguments)
        finally:
            if "maillog_" in sql:
                spent += time.perf_counter() - start

    with connection.execute_wrapper(timed):
        work()
    return spent * 1000


def plans(name: str, work: Callable[[], object]) -> None:
    """Print how the database carries out what one page asks of the log."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        work()
    print(f"## {name}", file=sys.stderr)
    for one in captured.captured_queries:
        statement = one["sql"]
        if "maillog_" not in statement or not statement.startswith(("SELECT", "WITH")) or "COUNT(*)" in statement:
            continue
        explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN (ANALYZE, COSTS OFF)"
        with connection.cursor() as cursor:
            cursor.execute(f"{explain} {statement}")
            lines = [str(row[-1]) for row in cursor.fetchall()]
        print(
            f"{float(one['time']) * 1000:.0f} ms {statement[:300]}", *lines, sep="\n    ", file=sys.stderr, flush=True
        )


def sizes(tell: Callable[..., object]) -> None:
    """Tell how large the index is."""
    from django.db import connection

    sql = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'maillog_index%%'"
    if connection.vendor == "postgresql":
        sql = "SELECT pg_total_relation_size('maillog_index')"
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            tell("index", cursor.fetchone()[0] / 1e6, "MB")
    except Exception as error:  # noqa: BLE001  (an SQLite without dbstat)
        print(error, file=sys.stderr)


def recording(tell: Callable[..., object]) -> None:
    """Tell how many mails a second are queued, and claimed and settled, with the index and without, in turn."""
    rates: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for indexed in (True, False):
            with index(on=indexed):
                for name, rate in recorded():
                    rates.setdefault(f"{name}{'' if indexed else ', no index'}", []).append(rate)
    for name, found in rates.items():
        if name.endswith("no index"):
            continue
        best, bare = max(found), max(rates[f"{name}, no index"])
        tell(name, best, "mails/s", without_index=round(bare, 1), overhead=round(bare / best - 1, 3))


@contextmanager
def index(*, on: bool) -> Iterator[None]:
    """Write the index, or leave it alone."""
    from maillog import indexing

    real = indexing.add
    if not on:
        indexing.add = lambda mails: None
    try:
        yield
    finally:
        indexing.add = real


def recorded() -> Iterator[tuple[str, float]]:
    """Queue mails in bulk, let all be sent, let all fail; yield name and rate of each."""
    from django.utils import timezone

    from benchmarks.log_data import DOMAINS, FIRST, LAST
    from maillog.recording import (
        AttemptRecord,
        Claimed,
        NewMessage,
        NewRecipient,
        RecipientOutcome,
        Settlement,
        claim_due,
        enqueue,
        settle,
    )

    def new(number: int) -> NewMessage:
        name = f"{FIRST[number % 20]}.{LAST[number % 16]}{number}@{DOMAINS[number % 6]}"
        return NewMessage(
            subject=f"Your invoice {number} is ready",
            sender="hello@northwind.example",
            recipients=[NewRecipient(kind="to", address=name, shown=name)],
            mime=b"x" * 2000,
            message_id=f"<{number}@northwind.example>",
            mode="background",
            due=timezone.now() - timedelta(days=365),
            template="billing/invoice",
        )

    def outcome(mail: Claimed, status: str) -> Settlement:
        reply = "550 5.1.1 no such user here" if status == "failed" else "250 2.0.0 queued"
        values: dict[str, Any] = {"outcome": status, "reply": reply, "driver": "smtp", "worker": "bench"}
        return Settlement(
            id=mail.id,
            claim=mail.claim,
            status=status,
            reason=reply if status == "failed" else "",
            driver="smtp",
            connection="Relay A",
            recipients=[
                RecipientOutcome(id=one.id, outcome="accepted" if status == "sent" else "refused")
                for one in mail.recipients
            ],
            attempt=AttemptRecord(started_at=timezone.now(), duration_ms=10, **values),
        )

    for status in ("sent", "failed"):
        mails = [new(number) for number in range(RECORDED)]
        start = time.perf_counter()
        for first in range(0, RECORDED, 500):
            enqueue(mails[first : first + 500])
        yield "queued in bulk", RECORDED / (time.perf_counter() - start)
        start = time.perf_counter()
        while claimed := claim_due(limit=500, lease=timedelta(minutes=5), worker="bench"):
            for first in range(0, len(claimed), 50):
                settle([outcome(mail, status) for mail in claimed[first : first + 50]])
        yield f"claimed and settled, all {status}", RECORDED / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
