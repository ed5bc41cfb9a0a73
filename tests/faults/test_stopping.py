"""SIGTERM under load, and a second one."""

import time

import pytest

from benchmarks.faults import mails as log
from benchmarks.faults import stopping
from benchmarks.faults.lab import wait_until
from mailadmin.delivery.drain import LEASE
from mailadmin.delivery.submission import STOP_SECONDS
from maillog.models import Message

pytestmark = pytest.mark.both_databases


def test_workers_stopped_three_times_under_load_lose_nothing_and_send_nothing_twice(lab):
    report = stopping.run(lab, stops=3, limit=600)
    assert len(report.seconds) == 3
    assert report.faults() == [], report


def test_a_stop_gives_back_what_was_not_begun_instead_of_finishing_the_batch(lab):
    server = lab.server(answer_ms=50, rate=5)  # the batch in hand would take a minute
    log.enqueue(300)
    worker = lab.worker(server.port)
    wait_until(server.count, 120, "a mail is at the server")
    worker.ask_to_stop()
    assert worker.wait(120) == 0
    assert set(log.statuses()) == {"sent", "queued"}
    assert log.statuses()["sent"] == server.count()
    assert not Message.objects.filter(status="queued").exclude(attempt_count=0).exists(), "nobody had begun them"
    quick = lab.server()
    lab.worker(quick.port)
    begin = time.monotonic()
    wait_until(lambda: not log.unsent(), 120, "everything is sent")
    assert time.monotonic() - begin < LEASE.total_seconds(), "they were due at once"
    assert sum(log.copies([server, quick]).values()) == 300


def test_a_second_signal_stops_at_once_and_loses_nothing(lab):
    server = lab.server(answer_ms=600_000)
    log.enqueue(5)
    worker = lab.worker(server.port, FAULTS_LEASE="4")
    wait_until(server.count, 120, "a mail is at the server")
    asked = time.monotonic()
    worker.ask_to_stop()
    time.sleep(0.5)
    assert worker.is_alive(), "it waits for the answer"

    def stopped():
        worker.ask_to_stop()  # two signals that come before a process has its turn are one
        return not worker.is_alive()

    wait_until(stopped, STOP_SECONDS, "it stops", 0.5)
    assert time.monotonic() - asked < STOP_SECONDS, "until then it would have waited"
    quick = lab.server()
    lab.worker(quick.port, FAULTS_LEASE="4", FAULTS_HEARTBEAT="0.5")
    wait_until(lambda: not log.unsent(), 120, "everything is sent")
    taken = log.copies([server, quick])
    assert set(taken) == set(log.message_ids())
    assert sum(taken.values()) - len(taken) <= server.count() <= 5
