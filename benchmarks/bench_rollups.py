"""The cost of the overview's statistics for a worker and for the page.

Settles 50 sent messages with and without statistics, alternating. Then renders the page with forty full days of sums
for 50 templates, 5 connections and 15 errors (the size does not depend on the number of messages) and 2,000
differences.

Run as `python -m benchmarks.bench_rollups [rounds]`; prints one JSON line per figure. SQLite, and PostgreSQL if
BENCH_POSTGRES is the URL of a scratch database (it is emptied).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from datetime import timedelta
from typing import Any
from unittest import mock

from benchmarks.figures import report

BATCH = 50
ROUNDS = 400
WARM_UP = 10
LEASE = timedelta(minutes=30)


def one_batch() -> list[Any]:
    """Return the settlements of 50 accepted messages."""
    from django.utils import timezone

    from maillog.outcomes import AttemptRecord, RecipientOutcome, Settlement
    from maillog.queue.claiming import claim_by_id
    from maillog.queue.enqueueing import NewMessage, NewRecipient, enqueue

    mails = [
        NewMessage(
            subject="Your invoice",
            sender="shop@example.com",
            recipients=[NewRecipient(kind="to", address=f"ann{n}@example.org", shown=f"ann{n}@example.org")],
            mime=b"Subject: Your invoice\r\n\r\nHello.\r\n",
            message_id=f"<{n}@example.com>",
            mode="background",
            due=timezone.now(),
            template="billing/invoice" if n % 2 else "account/welcome",
        )
        for n in range(BATCH)
    ]
    record = AttemptRecord(
        started_at=timezone.now(), duration_ms=12, outcome="sent", phase="content", code=250, enhanced_code="2.0.0",
        reply="queued as 4F1", driver="smtp", connection="Relay A", host="smtp.example.com:587", tls="", worker="bench",
    )  # fmt: skip
    return [
        Settlement(
            id=mail.id, claim=mail.claim, status="sent", driver="smtp", connection="Relay A", attempt=record,
            recipients=[RecipientOutcome(id=one.id, outcome="accepted", code=250) for one in mail.recipients],
        )
        for mail in claim_by_id(enqueue(mails), lease=LEASE, worker="bench")
    ]  # fmt: skip


def measure(rounds: int) -> None:
    """Settle batches and print the time of one: minimum and median."""
    from django.db import connection

    from maillog.queue.settling import settle
    from maillog.statistics import rollups

    without = mock.patch.object(rollups, "record_settled", return_value=None)
    times: dict[str, list[float]] = {"with": [], "without": []}

    for number in range(rounds + WARM_UP):
        batches = one_batch(), one_batch()
        for name in ("with", "without") if number % 2 else ("without", "with"):
            with nullcontext() if name == "with" else without:
                start = time.perf_counter()
                settle(batches[name == "with"])
                times[name].append((time.perf_counter() - start) * 1000)
        if number % 50 == 0:
            rollups.fold_deltas()
    for name, taken in times.items():
        best = sorted(taken[WARM_UP:])[: max(1, rounds // 10)]
        for figure, value in (("best tenth", statistics.mean(best)), ("median", statistics.median(taken[WARM_UP:]))):
            report("rollups", f"settle 50 sent messages {name} sums, {figure}", value, "ms", database=connection.vendor)


def fill_sums() -> None:
    """Store forty days of sums in which every hour is full, and differences of the current hour."""
    from django.utils import timezone

    from maillog.labels import label_ids
    from maillog.models import Rollup, RollupDelta, WaitingPeak
    from maillog.statistics import rollups

    templates = label_ids("template", [f"shop/t{number}" for number in range(50)]).values()
    connections = label_ids("connection", [f"Relay {number}" for number in range(5)]).values()
    names = [("status", status, "") for status in ("sent", "failed", "skipped", "uncertain")]
    names += [("template", status, str(pk)) for pk in templates for status in ("sent", "failed")]
    names += [("connection", status, str(pk)) for pk in connections for status in ("sent", "failed")]
    names += [("error", "failed", f"55{number % 5} 5.1.{number}") for number in range(15)]
    names += [("time", "sent", str(bucket)) for bucket in range(20, 45)]
    last = rollups.hour_of(timezone.now())
    Rollup.objects.all().delete()
    for span in Rollup.Span:
        Rollup.objects.bulk_create(
            (
                Rollup(span=span, kind=kind, hour=hour, status=status, name=name, count=hour % 97)
                for hour in range((last - 960) // span * span, last + 1, span)
                for kind, status, name in names
            ),
            batch_size=5_000,
        )
    RollupDelta.objects.bulk_create(
        RollupDelta(hour=last, block=1, status="sent", template=pk, connection=0, bucket=30, count=50)
        for pk in list(templates) * 40
    )
    WaitingPeak.objects.all().delete()
    WaitingPeak.objects.bulk_create(WaitingPeak(hour=hour, peak=hour % 50) for hour in range(last - 960, last + 1))


def measure_pages(rounds: int) -> None:
    """Request the page repeatedly and print the response times."""
    from django.db import connection
    from django.test import Client

    from tests.factories import make_admin

    fill_sums()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    client = Client(SERVER_NAME="localhost")
    client.force_login(make_admin())
    for path in ("/", "/?range=30d"):
        times = []
        for _ in range(rounds + WARM_UP):
            start = time.perf_counter()
            answer = client.get(path)
            times.append((time.perf_counter() - start) * 1000)
            assert answer.status_code == 200, answer.status_code
        taken = sorted(times[WARM_UP:])
        for figure, value in (("median", statistics.median(taken)), ("p95", taken[int(len(taken) * 0.95)])):
            report("rollups", f"page {path}, {figure}", value, "ms", database=connection.vendor)


def main() -> None:
    """Measure on each database in a process of its own."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    if url := os.environ.get("BENCH_URL"):
        os.environ.update(DJANGO_SETTINGS_MODULE="config.settings_test", DATABASE_URL=url)
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        call_command("flush", interactive=False, verbosity=0)
        measure(rounds)
        measure_pages(rounds)
        return
    if postgres := os.environ.get("BENCH_POSTGRES"):
        command = [sys.executable, "-m", "benchmarks.bench_rollups", str(rounds)]
        subprocess.run(command, env={**os.environ, "BENCH_URL": postgres}, check=True)
    from benchmarks import scratch

    scratch.set_up()
    measure(rounds)
    measure_pages(rounds)


if __name__ == "__main__":
    main()
