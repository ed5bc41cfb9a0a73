"""Mailadmin as a measured process: ``python -m benchmarks.log.ours``; see `benchmarks.log.asking` for the commands."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import django

from benchmarks.drain.watching import Highest, megabytes
from benchmarks.log import asking

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings_test")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks import log_data  # noqa: E402
from benchmarks.log import mails, queries  # noqa: E402
from benchmarks.log.plans import scans, short  # noqa: E402
from maillog.models import Message  # noqa: E402
from maillog.retention import pruning  # noqa: E402
from maillog.retention import rules as retention  # noqa: E402
from maillog.search.counts import status_counts  # noqa: E402
from users.models import User  # noqa: E402

EMAIL = "admin@example.com"


def prepare(rows: int, now: str, *, bodies: bool, processes: int) -> asking.Answer:
    """Create the tables and fill them."""
    call_command("migrate", verbosity=0)
    begin = time.perf_counter()
    log_data.fill(rows, now=datetime.fromisoformat(now), bodies=bodies, processes=processes)
    filled = time.perf_counter()
    log_data.settle_down()
    User.objects.create_superuser(EMAIL, "correct-horse-battery")
    return {"seconds": filled - begin, "settled": time.perf_counter() - filled, **sizes()}


def sizes() -> asking.Answer:
    """Return the size of the database, and of the search index alone, in MB."""
    whole = "SELECT pg_database_size(current_database())"
    index = "SELECT pg_total_relation_size('maillog_index')"
    if connection.vendor == "sqlite":
        whole = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        # FTS5 stores its index in one table of blobs and its texts in another; dbstat is not always compiled in.
        index = (
            "SELECT (SELECT sum(length(block)) FROM maillog_index_data) + (SELECT sum(length(c0) + length(c1)"
            " + length(c2) + length(c3) + length(c4) + length(c5) + 12) FROM maillog_index_content)"
        )
    found = {}
    for name, sql in (("database_mb", whole), ("index_mb", index)):
        with connection.cursor() as cursor:
            cursor.execute(sql)
            found[name] = float(cursor.fetchone()[0] or 0) / 1e6
    return found


def place() -> asking.Answer:
    """Return the ids and days that queries use."""
    rows = Message.objects.order_by("id")
    first, count = rows.values_list("id", flat=True)[0], rows.count()
    pages = -(-count // queries.PAGE)
    deep = min(queries.DEEP, pages - 1)
    rare = rows.filter(id__gte=first + count // 3, is_test=False)
    order = rare.filter(subject__startswith="Order").values_list("subject", flat=True)[0].partition(":")[0]
    somebody = next(mail for mail in rare[:50] if " " not in mail.to_text)
    return {
        "deep": Message.objects.order_by("-id").values_list("id", flat=True)[(deep - 1) * queries.PAGE - 1],
        "end": rows.values_list("id", flat=True)[queries.PAGE],
        "pages": pages,
        "deep_page": deep,
        "recipient": somebody.to_text,
        "order": order,
        "failed": rare.filter(status="failed").values_list("id", flat=True)[0],
        "number": first + count // 2,
        "day_from": f"{timezone.localdate() - timedelta(days=60):%Y-%m-%d}",
        "day_to": f"{timezone.localdate() - timedelta(days=50):%Y-%m-%d}",
    }


def getter(address: str, *, may_be_empty: bool) -> partial[None]:
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(email=EMAIL), backend=settings.AUTHENTICATION_BACKENDS[0])

    def get() -> None:
        response = client.get(address)
        assert response.status_code == 200, (address, response.status_code)
        assert may_be_empty or b"Nothing is listed" not in response.content, address

    return partial(get)


def page(address: str, *, may_be_empty: bool, requests: int, most_seconds: float) -> asking.Answer:
    """Time a page."""
    return asking.page(getter(address, may_be_empty=may_be_empty), requests=requests, most_seconds=most_seconds)


def counts(requests: int) -> asking.Answer:
    """Time the counts above the list."""
    return asking.page(status_counts, requests=requests, most_seconds=10)


def plans(address: str) -> asking.Answer:
    """Return the plans of a page's queries on the log, and which of them read a whole table."""
    with CaptureQueriesContext(connection) as captured:
        getter(address, may_be_empty=True)()
    # The plan of these statements depends on settings made earlier in their transaction.
    before: list[str] = []
    found = []
    for one in captured.captured_queries:
        sql = one["sql"]
        if sql.startswith("SET LOCAL"):
            before.append(sql)
        if "maillog_" not in sql or not sql.startswith(("SELECT", "WITH")):
            continue
        explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)"
        with transaction.atomic(), connection.cursor() as cursor:
            for each in before:
                cursor.execute(each)
            start = time.perf_counter()
            cursor.execute(f"{explain} {sql}")
            lines = [str(row[-1]) for row in cursor.fetchall()]
            took = (time.perf_counter() - start) * 1000
        if not (whole := scans(lines, sql)) and ("maillog_label" in sql and "maillog_message" not in sql):
            continue
        found.append({"sql": sql[:400], "plan": short(lines), "scans": whole, "milliseconds": took})
        before.clear()
    return {"plans": found}


def export(form: str) -> asking.Answer:
    """Export all messages through the page in chunks, and discard them."""
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(email=EMAIL), backend=settings.AUTHENTICATION_BACKENDS[0])
    client.get("/log/")  # loads what every process loads once
    own = os.getpid()
    before = megabytes(own, "VmRSS")
    octets = lines = 0
    first = 0.0
    start = time.perf_counter()
    with Highest(lambda: megabytes(own, "RssAnon")) as anonymous, Highest(lambda: megabytes(own, "VmRSS")) as resident:
        response: Any = client.get(f"/log/export.{form}")
        assert response.status_code == 200, response.status_code
        for piece in response.streaming_content:
            first = first or time.perf_counter() - start
            octets += len(piece)
            lines += piece.count(b"\n")
        seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "first": first * 1000,
        "octets": octets,
        "lines": lines,
        "before_mb": before,
        "resident_mb": resident.value,
        "anonymous_mb": anonymous.value,
    }


def keep_for(share: float) -> asking.Answer:
    """Set the retention rules so that about this share of the messages has expired."""
    days = max(1, mails.DAYS - round(share * mails.DAYS))
    rules = {name: days if name != "trail" else None for name in retention.DEFAULTS}
    retention.save_rules(rules, by="bench")
    return {"days": days}


def prune() -> asking.Answer:
    """Delete expired messages."""
    start = time.perf_counter()
    done = pruning.prune_now()
    return {
        "seconds": time.perf_counter() - start,
        "bodies": sum(done.bodies.values()),
        "rows": sum(done.rows.values()),
    }


def left() -> asking.Answer:
    """Return the number of messages."""
    return {"mails": Message.objects.count()}


if __name__ == "__main__":
    steps = (prepare, place, page, counts, plans, export, keep_for, prune, left, sizes)
    asking.serve({step.__name__: step for step in steps})
