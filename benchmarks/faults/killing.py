"""Workers are killed at random times under load; a counting server records what it accepts.

Guarantees: no message is lost, every message ends as sent, and a message is sent twice only if it had been accepted
but not yet recorded when its worker was killed, and then with the same Message-ID.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.faults import mails as log
from mailadmin.delivery import drain

if TYPE_CHECKING:
    from benchmarks.faults.lab import CountingServer, Event, Lab, Worker

LOOK_SECONDS = 0.1  # between two polls of the log
MORE = 200  # messages enqueued when no work is left but there are kills to go


@dataclass(frozen=True)
class Kill:
    """One kill: messages accepted from that worker but not recorded, and its open connections."""

    worker: str
    unrecorded: int
    connections: int

    @property
    def is_within_bounds(self) -> bool:
        """Whether the unrecorded messages are within the limit: unwritten results plus messages in transit.

        While FLUSH results are being written, as many may arrive; a pipelined connection has two messages in transit.
        """
        return self.unrecorded <= 2 * drain.FLUSH_COUNT + 2 * self.connections


@dataclass
class Report:
    """The result. `late`: the longest time in seconds for which messages of a dead worker were overdue."""

    mails: int
    lost: int = 0
    unknown: int = 0  # accepted with a Message-ID that is not in the log
    extra: int = 0
    unsent: dict[str, int] = field(default_factory=dict)
    late: float = 0.0
    seconds: float = 0.0
    kills: list[Kill] = field(default_factory=list)

    @property
    def window(self) -> int:
        """How many messages were accepted but not recorded at the kills."""
        return sum(kill.unrecorded for kill in self.kills)

    def faults(self, *, noticed: float = 5.0, strays: int = 0) -> list[str]:
        """Return the broken guarantees, as text.

        `noticed`: the seconds after the end of its lease within which a dead worker must be noticed. `strays`: how many
        kills may exceed the limit, because the machine stalled a worker before it could record.
        """
        wrong = []
        if self.lost:
            wrong.append(f"{self.lost} messages were lost")
        if self.unknown:
            wrong.append(f"{self.unknown} copies had another Message-ID than the first")
        if self.unsent:
            wrong.append(f"not every message was recorded as sent: {self.unsent}")
        if self.extra > self.window:
            wrong.append(f"{self.extra} extra copies, but only {self.window} messages were in the window")
        beyond = [kill for kill in self.kills if not kill.is_within_bounds]
        if len(beyond) > strays:
            wrong += [f"too many messages in the window: {kill}" for kill in beyond]
        if self.late > noticed:
            wrong.append(f"a dead worker's messages were noticed {self.late:.1f} s after the end of its lease")
        return wrong


def run(
    lab: Lab,
    *,
    mails: int,
    kills: int,
    workers: int = 2,
    lease: float = 3.0,
    answer_ms: float = 4.0,
    rate: float = 300.0,
    limit: float,
) -> Report:
    """Enqueue `mails`, kill `kills` times, wait until everything is sent (at most `limit` seconds) and report.

    Kills are spread over the work, not over the time, so that workers always have messages in flight; if everything is
    sent before the last kill, more messages are enqueued.
    """
    chance = random.Random(mails)
    server = lab.server(answer_ms=answer_ms, rate=rate)
    start = lambda: lab.worker(server.port, FAULTS_LEASE=str(lease), FAULTS_HEARTBEAT="1")  # noqa: E731
    log.enqueue(mails)
    report = Report(mails)
    begin = looked = watched = time.monotonic()
    running = [start() for _ in range(workers)]
    killed: list[tuple[Worker, float]] = []
    moments = sorted(chance.sample(range(mails // 50, mails - mails // 10), kills))
    while time.monotonic() - begin < limit:
        if moments and server.count() >= moments[0] and (victims := at_work(running, server)):
            moments.pop(0)
            victim = chance.choice(victims)
            time.sleep(chance.random() * answer_ms / 1000)
            killed.append((victim, victim.kill()))
            running[running.index(victim)] = start()
        if time.monotonic() - looked > LOOK_SECONDS:
            looked = time.monotonic()
            if not at_work(running, server):
                watched = looked  # no worker runs that could notice
            report.late = max(report.late, min(log.overdue(), looked - watched))
            if not log.unsent():
                if not moments:
                    break
                report.mails += len(log.enqueue(MORE))
        time.sleep(0.003)
    report.seconds = time.monotonic() - begin
    stop(running)
    count(report, server, killed)
    return report


def stop(workers: list[Worker]) -> None:
    """Stop gracefully."""
    for worker in workers:
        worker.ask_to_stop()
    for worker in workers:
        worker.wait(120)


def at_work(running: list[Worker], server: CountingServer) -> list[Worker]:
    """Return the workers that have delivered a message since they started."""
    seen = server.events_file.read_bytes()
    return [worker for worker in running if b" " + worker.name.encode() + b" <" in seen]


def count(report: Report, server: CountingServer, killed: list[tuple[Worker, float]]) -> None:
    """Compare what the server accepted with the log."""
    events = list(server.events())
    copies = log.copies([server])
    known = set(log.message_ids())
    report.lost = len(known - set(copies))
    report.unknown = len(set(copies) - known)
    report.extra = sum(copies.values()) - len(copies)
    report.unsent = {status: number for status, number in log.statuses().items() if status != "sent"}
    report.kills = [described(worker, at, events) for worker, at in killed]


def described(worker: Worker, at: float, events: list[Event]) -> Kill:
    mine = [event for event in events if event.name == worker.name]
    taken = {event.message_id for event in mine if event.what == "dot"}
    opened = sum(event.what == "ehlo" and event.at <= at for event in mine)
    closed = sum(event.what == "bye" and event.at <= at for event in mine)
    return Kill(worker.name, len(taken - log.recorded_by(worker)), max(opened - closed, 0))
