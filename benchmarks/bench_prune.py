"""How long somebody who sends waits while 100,000 mails are removed from the log.

Run as `python -m benchmarks.bench_prune [rows]`; prints one JSON line a figure. A process of its own prunes by the
rules of retention; meanwhile two threads here store mails one at a time, as fast as they may, and the longest of their
transactions is the figure. `idle` is the same without anything being pruned: what the machine itself adds. SQLite, and
PostgreSQL if BENCH_POSTGRES names a database for scratch (it is emptied).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from datetime import timedelta

IDLE_SECONDS = 10.0
THREADS = 2

PRUNE = """
import json, time
from benchmarks.bench_prune import set_up_on
set_up_on({url!r})
from django.utils import timezone
from maillog import pruning
start = time.perf_counter()
done = pruning.prune_now()
print(json.dumps([time.perf_counter() - start, sum(done.bodies.values()), sum(done.rows.values())]))
"""


def set_up_on(url: str) -> None:
    """Set Django up on the database at `url`, which is there already."""
    os.environ.update(DJANGO_SETTINGS_MODULE="config.settings_test", DATABASE_URL=url)
    import django

    django.setup()


class Senders:
    """Threads that store one mail after the other and note how long each took."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.times: list[float] = []
        self.failed = 0
        self.threads = [threading.Thread(target=self.send) for _ in range(THREADS)]

    def send(self) -> None:
        from django.db import connection
        from django.utils import timezone

        from maillog.recording import NewMessage, NewRecipient, enqueue

        number = 0
        while not self.ended.is_set():
            number += 1
            mail = NewMessage(
                subject="Invoice",
                sender="shop@example.com",
                recipients=[NewRecipient(kind="to", address="a@example.com", shown="a@example.com")],
                mime=b"x" * 2_000,
                message_id=f"<{number}.{threading.get_ident()}@example.com>",
                mode="background",
                due=timezone.now() + timedelta(days=1),
            )
            start = time.perf_counter()
            try:
                enqueue([mail])
            except Exception:  # noqa: BLE001  (a lock that was not waited for is a figure, too)
                self.failed += 1
            self.times.append((time.perf_counter() - start) * 1000)
            time.sleep(0.005)
        connection.close()

    def __enter__(self) -> Senders:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()


def tell(engine: str, when: str, senders: Senders, rows: int) -> None:
    """Print the waits of those who sent."""
    from benchmarks.figures import report

    slow = sum(each > 100 for each in senders.times)
    more = {"rows": rows, "mails": len(senders.times), "over_100_ms": slow, "failed": senders.failed}
    report("prune", f"{engine}_{when}_longest_stall", max(senders.times), "ms", **more)
    report("prune", f"{engine}_{when}_p99", statistics.quantiles(senders.times, n=100)[98], "ms", **more)


def measure(engine: str, url: str, rows: int) -> None:
    """Fill, send, prune, print."""
    from django.db import connection
    from django.utils import timezone

    from benchmarks.figures import report
    from benchmarks.log_data import fill
    from maillog import retention
    from maillog.models import Message

    fill(rows, now=timezone.now() - timedelta(days=400))  # all of them too old
    retention.change(retention.DEFAULTS, by="bench")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with Senders() as idle:
        time.sleep(IDLE_SECONDS)
    tell(engine, "idle", idle, rows)
    before = Message.objects.count()
    with Senders() as busy:
        pruner = subprocess.run(
            [sys.executable, "-c", PRUNE.format(url=url)], capture_output=True, text=True, check=True
        )
    tell(engine, "pruning", busy, rows)
    seconds, bodies, gone = json.loads(pruner.stdout.splitlines()[-1])
    left = before + len(busy.times) - Message.objects.count()
    report("prune", f"{engine}_pruned", gone / seconds, "mails/s", rows=gone, bodies=bodies, seconds=round(seconds, 1))
    assert gone == left, (gone, left)


def run(engine: str, rows: int) -> None:
    """Measure on one engine, in this process."""
    if engine == "sqlite":
        from benchmarks.scratch import set_up

        folder = set_up()
        url = f"sqlite:///{folder}/bench.sqlite3"
    else:
        url = os.environ["BENCH_POSTGRES"]
        set_up_on(url)
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        call_command("flush", interactive=False, verbosity=0)
    measure(engine, url, rows)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    if len(sys.argv) > 2:
        run(sys.argv[2], count)
    else:
        for engine in ("sqlite", *(["postgresql"] if os.environ.get("BENCH_POSTGRES") else [])):
            subprocess.run([sys.executable, "-m", "benchmarks.bench_prune", str(count), engine], check=True)
