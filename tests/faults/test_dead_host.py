"""A wrong password, a server that is down with many mails waiting, a poisonous mail: with a real worker."""

import math
import time

import pytest

from benchmarks.drain.watching import megabytes
from benchmarks.faults import mails as log
from benchmarks.faults.lab import wait_until
from benchmarks.faults.worker import DIED_OF_POISON
from mailadmin.api import Mail, send_many
from mailadmin.models import ConnectionState
from maillog.models import Attempt, Message, Status
from secrets_app import storing
from tests.smtp_faults import reply


@pytest.fixture
def secret(admin):
    """Store a connection to a port of this machine, without TLS and sign-in."""

    def store(name, port):
        fields = {"host": "127.0.0.1", "port": port, "tls": "none", "username": "", "sender": "shop@example.com",
                  "ehlo_name": "", "timeout": 5.0, "verify": True, "ca_pem": ""}  # fmt: skip
        return storing.store(kind="smtp", name=name, fields=fields, values={}, actor=admin, available_to_system=True)

    return store


def test_of_a_wrong_password_with_1000_mails_waiting_the_server_sees_one_sign_in_and_nothing_fails(lab):
    server = lab.server(password="right")
    log.enqueue(1000)
    wrong = lab.worker(server.port, MAIL_USERNAME="mailer", MAIL_PASSWORD="wrong", FAULTS_HEARTBEAT="0.3")
    wait_until(lambda: log.statuses() == {Status.HELD: 1000}, 300, "all are held")
    time.sleep(1)  # several beats
    wrong.ask_to_stop()
    wrong.wait(120)
    assert server.count("auth") == 1
    assert log.statuses() == {Status.HELD: 1000}
    assert Attempt.objects.count() == 1
    state = ConnectionState.objects.get()
    assert state.state == ConnectionState.State.PAUSED
    assert "535" in state.reason
    lab.worker(server.port, MAIL_USERNAME="mailer", MAIL_PASSWORD="right", FAULTS_HEARTBEAT="0.3")
    wait_until(lambda: not log.unsent(), 300, "all are sent")
    assert len(log.copies([server])) == server.count() == 1000


def test_a_dead_server_with_10000_mails_waiting_is_probed_now_and_then_and_hinders_nobody(
    lab, secret, start_faulty_smtp
):
    dead = start_faulty_smtp(faults={"greeting": reply("421 4.3.2 Down for maintenance")})
    fine = lab.server()
    secret("dead", dead.port)
    waiting = send_many(
        Mail(to=[f"p{n}@example.com"], subject="x", text="x", mode="background", connection_hint="dead")
        for n in range(10_000)
    )
    began = time.monotonic()
    worker = lab.worker(fine.port, FAULTS_HEARTBEAT="0.5", FAULTS_PROBE="1")
    wait_until(lambda: not Message.objects.exclude(status=Status.HELD).exists(), 300, "all wait")
    before = megabytes(worker.pid, "RssAnon")
    times = []
    for number in range(1, 8):
        asked = time.monotonic()
        log.enqueue(1)
        wait_until(lambda: fine.count() >= number, 60, "a mail of another connection arrives")  # noqa: B023  (called at once)
        times.append(time.monotonic() - asked)
        time.sleep(0.2)
    assert sorted(times)[3] < 10, times  # half a second of that is the beat: nobody wakes this worker
    wait_until(lambda: dead.connections >= 2, 120, "it is probed")
    # The first attempt, then probes after 1, 2, 4 s and so on, each give or take a fifth.
    assert dead.connections <= 3 + math.log2((time.monotonic() - began) / 0.8 + 1)
    assert Attempt.objects.filter(connection="dead").count() == 1
    assert Message.objects.filter(id__in=waiting, attempt_count__lte=1, status=Status.HELD).count() == 10_000
    assert megabytes(worker.pid, "RssAnon") < before + 10
    assert before < 120


def test_a_mail_that_ends_the_process_is_parked_after_five_deaths_and_the_others_go_on(lab):
    server = lab.server()
    log.enqueue(150)
    (poison,) = log.enqueue(1, subject="POISON")
    log.enqueue(150)
    deaths = 0
    start = lambda: lab.worker(server.port, FAULTS_POISON="POISON", FAULTS_LEASE="3", FAULTS_HEARTBEAT="0.3")  # noqa: E731
    worker = start()
    deadline = time.monotonic() + 400
    while Message.objects.exclude(status__in=[Status.SENT, Status.FAILED]).exists():
        assert time.monotonic() < deadline, log.statuses()
        if not worker.is_alive():
            assert worker.process.returncode == DIED_OF_POISON
            deaths += 1
            worker = start()
        time.sleep(0.05)
    row = Message.objects.get(pk=poison)
    assert (row.status, deaths) == (Status.FAILED, 5)
    assert "5 workers died" in row.reason
    assert log.statuses() == {Status.SENT: 300, Status.FAILED: 1}
    copies = log.copies([server])
    assert row.message_id not in copies
    assert len(copies) == 300
