"""kill -9 at random moments: the short form of `make bench-faults`."""

import random
import time

import pytest

from benchmarks.faults import killing
from benchmarks.faults import mails as log
from benchmarks.faults.lab import wait_until
from mailadmin import tasks
from mailadmin.models import WorkerHeartbeat
from maillog.models import Message

pytestmark = pytest.mark.both_databases


def test_workers_killed_three_times_lose_nothing_and_repeat_only_what_was_not_recorded(lab):
    """The lease is long enough for a living worker to stand still for seconds on a busy machine."""
    report = killing.run(lab, mails=600, kills=3, lease=6.0, limit=600)
    assert len(report.kills) == 3
    assert report.faults(noticed=60.0, strays=1) == [], report


def test_a_restarted_worker_takes_over_at_once_what_its_killed_predecessor_had_in_hand(lab):
    """The lease is so long that it does not count."""
    server = lab.server(answer_ms=600_000)
    lease = {"FAULTS_LEASE": "600", "FAULTS_BEAT": "1"}
    victim = lab.worker(server.port, **lease)
    wait_until(lambda: WorkerHeartbeat.objects.count() == 1, 120, "it is there")
    log.enqueue(300)
    wait_until(lambda: Message.objects.filter(status="sending").count() >= 250, 120, "it has them in hand")
    victim.kill()
    killed = time.monotonic()
    quick = lab.server(answer_ms=0)
    successor = lab.worker(quick.port, **lease)
    wait_until(lambda: Message.objects.filter(status="sent").count() == 300, 60, "the next one sends them")
    assert time.monotonic() - killed < 45
    assert {mail.name for mail in quick.taken()} == {successor.name}
    assert set(Message.objects.values_list("worker_deaths", "possibly_duplicate")) <= {(0, True), (0, False)}


def test_after_a_kill_another_worker_takes_over_by_the_first_beat_after_the_lease(lab):
    """Beats and leases are short, so that the test is; with the real beat it is within five seconds of the lease."""
    assert tasks.HEARTBEAT_SECONDS <= 4
    server = lab.server(answer_ms=600_000)
    workers = [lab.worker(server.port, FAULTS_LEASE="4", FAULTS_HEARTBEAT="2") for _ in range(2)]
    wait_until(lambda: WorkerHeartbeat.objects.count() == 2, 120, "both are there")
    log.enqueue(1)
    wait_until(lambda: len(server.taken()) == 1, 120, "one has it in hand")
    time.sleep(random.random() * 2)  # the beats stand anyhow
    taken = server.taken()
    victim, other = sorted(workers, key=lambda worker: worker.name != taken[0].name)
    victim.kill()
    lease_ends = Message.objects.get().next_attempt_at
    beats = set()

    def taken_over():
        beats.update(WorkerHeartbeat.objects.filter(name__endswith=f":{other.pid}").values_list("seen_at", flat=True))
        return len(server.taken()) > len(taken)

    wait_until(taken_over, 120, "the other one takes over")
    # The beat that notices it wakes a thread, which may have to wait for its turn until after the next beat.
    assert len([beat for beat in beats if beat > lease_ends]) <= 2
    assert server.taken()[-1].name == other.name
