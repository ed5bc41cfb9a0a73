"""kill -9 at random moments: the short form of `make bench-faults`."""

import random
import time

from benchmarks.faults import killing
from benchmarks.faults import mails as log
from benchmarks.faults.lab import wait_until
from mailadmin import beats


def test_workers_killed_twenty_times_lose_nothing_and_repeat_only_what_was_not_recorded(lab):
    report = killing.run(lab, mails=2000, kills=20, limit=150)
    assert len(report.kills) == 20
    assert report.faults() == [], report


def test_after_a_kill_another_worker_takes_over_within_the_lease_and_five_seconds(lab):
    """With the beat as it is; only the lease is short, so that the test is."""
    lease = 2.0
    server = lab.server(answer_ms=60_000)
    workers = [lab.worker(server.port, FAULTS_LEASE=str(lease)) for _ in range(2)]
    wait_until(lambda: beats.workers().alive == 2, 30, "both are there")
    log.enqueue(1)
    wait_until(lambda: len(server.taken()) == 1, 30, "one has it in hand")
    time.sleep(random.random() * 3)  # the beats stand anyhow
    victim = next(worker for worker in workers if worker.name == server.taken()[0].name)
    killed_at = victim.kill()
    wait_until(lambda: len(server.taken()) == 2, lease + 20, "the other one takes over")
    late = server.taken()[-1].at - killed_at
    assert late <= lease + 5, late
