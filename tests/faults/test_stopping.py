"""SIGTERM under load, and a second one."""

import time

from benchmarks.faults import mails as log
from benchmarks.faults import stopping
from benchmarks.faults.lab import wait_until
from config.supervise import WORKER_SECONDS


def test_workers_stopped_ten_times_under_load_lose_nothing_and_send_nothing_twice(lab):
    report = stopping.run(lab, stops=10, limit=600)
    assert len(report.seconds) == 10
    assert report.faults() == [], report


def test_a_second_signal_stops_at_once_and_loses_nothing(lab):
    server = lab.server(answer_ms=600_000)
    log.enqueue(5)
    worker = lab.worker(server.port, FAULTS_LEASE="10")
    wait_until(server.count, 120, "a mail is at the server")
    asked = time.monotonic()
    worker.ask_to_stop()
    time.sleep(1)
    assert worker.is_alive(), "it waits for the answer"

    def stopped():
        worker.ask_to_stop()  # two signals that come before a process has its turn are one
        return not worker.is_alive()

    wait_until(stopped, WORKER_SECONDS, "it stops", 0.5)
    assert time.monotonic() - asked < WORKER_SECONDS, "until then it would have waited"
    quick = lab.server()
    lab.worker(quick.port, FAULTS_LEASE="10", FAULTS_BEAT="1")
    wait_until(lambda: not log.unsent(), 120, "everything is sent")
    taken = log.copies([server, quick])
    assert set(taken) == set(log.message_ids())
    assert sum(taken.values()) - len(taken) <= server.count() <= 5
