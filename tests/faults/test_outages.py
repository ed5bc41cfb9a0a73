"""The database goes away for some seconds, or the disk is full, while a worker sends: nothing is lost, nothing twice.

Mails that were accepted meanwhile are kept in memory until they can be recorded. The pages answer 503 and say when to
come back.
"""

import contextlib
import resource
import sqlite3
import time
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client

from benchmarks.faults import mails as log
from benchmarks.faults.lab import wait_until
from mailadmin.api import Mail, send
from mailadmin.delivery import drain
from mailadmin.models import WorkerHeartbeat
from maillog.models import Message, Status
from tests.factories import PASSWORD, make_user
from tests.faults.doors import Door

pytestmark = pytest.mark.both_databases

AWAY = 3.0  # seconds, at least
MAILS = 1600
IN_HAND = drain.BATCH + drain.BATCH // 2 + drain.FLUSH_COUNT  # that may still go out
RATE = 400.0  # mails a second, so that there is work before and after, and time for more than is in hand


@pytest.fixture
def worker_at_work(lab):
    """Start a worker with work for some seconds; return it and its server when the first mails are out."""

    def start(**variables):
        server = lab.server(answer_ms=10, rate=RATE)
        log.enqueue(MAILS)
        worker = lab.worker(server.port, FAULTS_HEARTBEAT="1", **variables)
        wait_until(lambda: server.count() > 100, 120, "the worker is at work")
        return worker, server

    return start


def everything_goes_out_once(worker, server):
    wait_until(lambda: not log.unsent(), 300, "everything is sent", 0.2)
    copies = log.copies([server])
    assert set(copies) == set(log.message_ids())
    assert sum(copies.values()) == len(copies), "nothing was sent twice"
    assert log.flagged() == 0
    assert worker.is_alive()


def suffer(worker, since):
    """Wait until AWAY seconds have passed since then and the worker has noticed what is going on."""
    wait_until(lambda: "The database is down" in worker.output, 120, "the worker notices")
    time.sleep(max(0.0, AWAY - (time.monotonic() - since)))


def sign_in():
    """Try to sign in, which writes, and return the status; the session is not needed any more."""
    client = Client(raise_request_exception=False)
    return client.post("/account/login/", {"login": "ann@example.com", "password": PASSWORD}).status_code


@contextlib.contextmanager
def impatient():
    """Let this process wait for a lock for a moment only."""
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout=200")
    yield
    connection.close()


@pytest.mark.skipif("connection.vendor != 'postgresql'")
def test_postgres_is_away_for_seconds(lab, worker_at_work):
    make_user()
    stored = urlsplit(lab.database)
    door = Door(stored.port or 5432)
    lab.database = lab.database.replace(f":{stored.port}/", f":{door.port}/")
    usual = dict(connection.settings_dict)
    with contextlib.closing(door):
        worker, server = worker_at_work()
        door.shut()
        sent = server.count()
        shut_at = time.monotonic()
        connection.close()
        connection.settings_dict.update(HOST="127.0.0.1", PORT=str(door.port))
        try:
            assert sign_in() == 503
            assert Client(raise_request_exception=False).get("/healthz").status_code == 503
            with pytest.raises(Exception, match="connection"):
                send(Mail(to=["ann@example.com"], subject="x", text="x"))
        finally:
            connection.close()
            connection.settings_dict.update(HOST=usual["HOST"], PORT=usual["PORT"])
        suffer(worker, shut_at)
        assert server.count() < MAILS, "it was away while there was work"
        assert server.count() <= sent + IN_HAND, "without a database nothing is claimed"
        door.open()
        everything_goes_out_once(worker, server)
    assert sign_in() == 302


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_sqlite_is_locked_for_longer_than_anybody_waits(lab, worker_at_work):
    make_user()
    worker, server = worker_at_work(FAULTS_BUSY="0.5")
    holder = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, timeout=20)
    with contextlib.closing(holder):
        holder.execute("BEGIN EXCLUSIVE")
        sent = server.count()
        with impatient():
            assert sign_in() == 503
            with pytest.raises(Exception, match="locked"):
                send(Mail(to=["ann@example.com"], subject="x", text="x"))
        suffer(worker, time.monotonic())
        assert server.count() < MAILS
        assert server.count() <= sent + IN_HAND
        holder.execute("ROLLBACK")
        everything_goes_out_once(worker, server)
    assert sign_in() == 302


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_the_disk_is_full_for_some_seconds(lab, worker_at_work):
    """No file of the worker may grow: what the kernel says then is what it says when the disk is full."""
    make_user()
    worker, server = worker_at_work(FAULTS_BUSY="0.5")
    kinds, unlimited = resource.RLIMIT_FSIZE, resource.RLIM_INFINITY
    resource.prlimit(worker.pid, kinds, (4096, unlimited))
    sent = server.count()
    own = resource.getrlimit(kinds)
    resource.setrlimit(kinds, (4096, own[1]))
    try:
        status = sign_in()
    finally:
        resource.setrlimit(kinds, own)
        connection.close()
    time.sleep(AWAY)
    during = server.count()
    resource.prlimit(worker.pid, kinds, (unlimited, unlimited))
    assert status == 503
    assert during < MAILS
    assert during <= sent + IN_HAND
    everything_goes_out_once(worker, server)
    assert sign_in() == 302
    assert Message.objects.filter(status=Status.SENT).count() == MAILS
    assert WorkerHeartbeat.objects.count() == 1
