"""Several workers on shared stores, as on several machines: all send, and every message is sent once."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.faults import mails as log
from benchmarks.faults.killing import stop
from benchmarks.faults.lab import wait_until
from mailadmin.models import WorkerHeartbeat

if TYPE_CHECKING:
    from benchmarks.faults.lab import Lab

START_SECONDS = 120.0
WOKEN_SECONDS = 20.0  # much less than a heartbeat, so it was the queue that woke the worker
SLOW_HEARTBEAT = "300"


@dataclass
class Report:
    """The result. `shares`: messages per worker; `woken`: seconds from enqueueing a single message to the server."""

    mails: int
    lost: int = 0
    extra: int = 0
    seconds: float = 0.0
    shares: list[int] = field(default_factory=list)
    woken: list[float] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Return the broken guarantees, as text."""
        wrong = []
        if self.lost or self.extra:
            wrong.append(f"{self.lost} lost, {self.extra} sent twice")
        if not all(self.shares):
            wrong.append(f"not every worker took part: {self.shares}")
        if max(self.woken) > WOKEN_SECONDS:
            wrong.append(f"a worker was woken only after {max(self.woken):.1f} s")
        return wrong


def run(lab: Lab, *, mails: int, workers: int = 3, rate: float = 600.0, limit: float) -> Report:
    """Enqueue single messages for idle workers, then `mails` at once, and wait until everything is sent."""
    server = lab.server(rate=rate)
    running = [lab.worker(server.port, FAULTS_HEARTBEAT=SLOW_HEARTBEAT) for _ in range(workers)]
    wait_until(lambda: WorkerHeartbeat.objects.count() == workers, START_SECONDS, "the workers start")
    report = Report(mails)
    for number in range(1, 6):
        log.enqueue(1)
        report.woken.append(wait_until(lambda number=number: server.count() >= number, 120, "a message arrives", 0.005))  # type: ignore[misc]
    begin = time.monotonic()
    log.enqueue(mails)
    wait_until(lambda: not log.unsent(), limit, "everything is sent", 0.1)
    report.seconds = time.monotonic() - begin
    stop(running)
    taken = server.taken()
    copies = log.copies([server])
    report.lost = len(set(log.message_ids()) - set(copies))
    report.extra = sum(copies.values()) - len(copies)
    report.shares = [sum(event.name == worker.name for event in taken) for worker in running]
    return report
