"""SIGTERM under load, and a second one."""

import time

from benchmarks.faults import mails as log
from benchmarks.faults import stopping
from benchmarks.faults.lab import wait_until
from config.supervise import WORKER_SECONDS
from maillog.models import Message


def test_workers_stopped_ten_times_under_load_lose_nothing_and_send_nothing_twice(lab):
    report = stopping.run(lab, stops=10, limit=60)
    assert len(report.seconds) == 10
    assert report.faults() == [], report


def test_a_stop_gives_back_what_was_not_begun_instead_of_finishing_the_batch(lab):
    server = lab.server(answer_ms=50, rate=5)  # the batch in hand would take a minute
    log.enqueue(300)
    worker = lab.worker(server.port)
    wait_until(server.count, 20, "a mail is at the server")
    worker.ask_to_stop()
    assert worker.wait(WORKER_SECONDS) == 0
    assert set(log.statuses()) == {"sent", "queued"}
    assert log.statuses()["sent"] == server.count()
    assert not Message.objects.filter(status="queued").exclude(tries=0).exists(), "nobody had begun them"
    quick = lab.server()
    lab.worker(quick.port)
    wait_until(lambda: not log.unsent(), 30, "the next worker takes them at once, not when a lease has run out")
    assert sum(log.copies([server, quick]).values()) == 300


def test_a_second_signal_stops_at_once_and_loses_nothing(lab):
    server = lab.server(answer_ms=4000)
    log.enqueue(5)
    worker = lab.worker(server.port, FAULTS_LEASE="3")
    wait_until(server.count, 20, "a mail is at the server")
    worker.ask_to_stop()
    time.sleep(0.5)
    assert worker.is_alive(), "it waits for the answer"
    asked = time.monotonic()
    worker.ask_to_stop()
    worker.wait(3)
    assert time.monotonic() - asked < 1.5
    quick = lab.server()
    lab.worker(quick.port, FAULTS_LEASE="3", FAULTS_BEAT="1")
    wait_until(lambda: not log.unsent(), 20, "everything is sent")
    taken = log.copies([server, quick])
    assert set(taken) == set(log.message_ids())
    assert sum(taken.values()) - len(taken) <= server.count() <= 5
