"""Workers are stopped (SIGTERM) at random times under load: nothing may be lost or sent twice."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.faults import mails as log
from benchmarks.faults.killing import at_work, stop
from config.startup.supervise import WORKER_SECONDS

if TYPE_CHECKING:
    from benchmarks.faults.lab import Lab

LOAD = 1000  # messages enqueued at a time
MARGIN = 3.0  # seconds for the process to exit after its tasks have ended


@dataclass
class Report:
    """The result. `seconds`: the duration of each stop; `statuses`: exit statuses other than 0."""

    mails: int
    lost: int = 0
    extra: int = 0
    flagged: int = 0  # messages marked as possibly delivered twice
    unsent: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Return the broken guarantees, as text."""
        wrong = []
        if self.lost or self.extra or self.flagged:
            wrong.append(f"{self.lost} lost, {self.extra} sent twice, {self.flagged} said to be possibly sent twice")
        if self.unsent:
            wrong.append(f"not every message was recorded as sent: {self.unsent}")
        if self.statuses:
            wrong.append(f"workers ended with {self.statuses}")
        if max(self.seconds) > WORKER_SECONDS + MARGIN:
            wrong.append(f"a stop took {max(self.seconds):.1f} s")
        return wrong


def run(lab: Lab, *, stops: int, workers: int = 2, answer_ms: float = 2.0, rate: float = 500.0, limit: float) -> Report:
    """Keep workers busy, stop one `stops` times, wait until all is sent (at most `limit` seconds) and report.

    The lease has its real length, so messages that a stopped worker did not release would be noticed.
    """
    chance = random.Random(stops)
    server = lab.server(answer_ms=answer_ms, rate=rate)
    start = lambda: lab.worker(server.port, FAULTS_HEARTBEAT="1")  # noqa: E731
    report = Report(len(log.enqueue(LOAD)))
    begin = time.monotonic()
    running = [start() for _ in range(workers)]
    while time.monotonic() - begin < limit:
        left = log.unsent()
        if len(report.seconds) == stops:
            if not left:
                break
        elif left < LOAD // 2:
            report.mails += len(log.enqueue(LOAD))
        elif victims := at_work(running, server):
            victim = chance.choice(victims)
            running[running.index(victim)] = start()
            time.sleep(chance.random() * 0.5)
            asked = time.monotonic()
            victim.ask_to_stop()
            status = victim.wait(WORKER_SECONDS + 2 * MARGIN)
            report.seconds.append(time.monotonic() - asked)
            report.statuses += [status] if status else []
        time.sleep(0.01)
    stop(running)
    copies, known = log.copies([server]), set(log.message_ids())
    report.lost = len(known - set(copies))
    report.extra = sum(copies.values()) - len(copies)
    report.flagged = log.flagged()
    report.unsent = {status: number for status, number in log.statuses().items() if status != "sent"}
    return report
