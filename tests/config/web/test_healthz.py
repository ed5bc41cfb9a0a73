import errno
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from config.web import degradation
from mailadmin.models import ConnectionState, WorkerHeartbeat
from maillog.queue.claiming import claim_by_id
from maillog.queue.settling import settle
from secrets_app import storing
from tests.maillog.makers import claimed, finished, queued, settlement

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("still_clock")]


def refuse(*args, **kwargs):
    raise OperationalError("could not connect to server postgres://u:canary@db")


class BrokenStore:
    def queue_size(self):
        raise ConnectionError("redis://u:canary@queue is away")


def test_a_stranger_learns_that_all_is_well_and_nothing_else():
    response = Client().get("/healthz")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "problems": [],
        "degraded": {},
        "database": {"answers": True},
        "queue": {"answers": True, "jobs": 0},
        "workers": {"alive": 0, "seen_seconds_ago": None},
        "oldest_due_seconds": None,
        "oldest_waiting_seconds": None,
        "connections": {"paused": 0, "unreachable": 0, "resting": 0},
    }
    assert "no-store" in response["Cache-Control"]
    assert not {"Server", "X-Powered-By"} & set(response.headers)


def test_a_database_that_does_not_answer_is_trouble_without_details(caplog):
    with connection.execute_wrapper(refuse):
        response = Client().get("/healthz")
    assert response.status_code == 503
    assert response.json()["status"] == "trouble"
    assert response.json()["problems"] == ["database"]
    assert response.json()["database"] == {"answers": False}
    assert response.json()["workers"] is None
    assert response.json()["queue"]["answers"] is True
    assert b"canary" not in response.content
    assert "the database does not respond" in caplog.text


def test_a_queue_store_that_does_not_answer_is_trouble_without_details(settings, monkeypatch):
    monkeypatch.setattr(settings.HUEY, "storage", BrokenStore())
    response = Client().get("/healthz")
    assert response.status_code == 503
    assert response.json()["problems"] == ["queue"]
    assert response.json()["database"] == {"answers": True}
    assert response.json()["queue"] == {"answers": False, "jobs": None}
    assert b"canary" not in response.content


def test_the_age_of_the_oldest_due_mail_is_given():
    queued(due=timezone.now() + timedelta(hours=1))
    assert Client().get("/healthz").json()["oldest_waiting_seconds"] is None
    for age in (30, 90, 60):
        queued(due=timezone.now() - timedelta(seconds=age))
    figures = Client().get("/healthz").json()
    assert figures["oldest_due_seconds"] in range(90, 100)
    assert figures["oldest_waiting_seconds"] == figures["oldest_due_seconds"]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_only_reading_is_allowed(method):
    assert getattr(Client(), method)("/healthz").status_code == 405


def test_head_is_answered_too():
    response = Client().head("/healthz")
    assert response.status_code == 200
    assert response.content == b""


# ---------------------------------------------------------------- delivery


def seen(seconds_ago: float, name: str = "host:1") -> None:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    WorkerHeartbeat.objects.update_or_create(name=name, defaults={"started_at": at, "seen_at": at})


def held() -> int:
    pk = queued()
    settle([settlement(claimed(pk), "held", attempt=None)])
    return pk


def scheduled() -> int:
    return queued(due=timezone.now() + timedelta(hours=1))


def overdue(seconds: float) -> int:
    return queued(due=timezone.now() - timedelta(seconds=seconds))


def put_off() -> int:
    return finished("deferred").pk


@pytest.mark.parametrize(
    ("mail", "worker_seen", "problems"),
    [
        (None, None, []),
        (None, 3600, []),
        (scheduled, None, []),
        (overdue, 4, []),
        (overdue, 45, []),
        (overdue, 100, ["worker"]),
        (overdue, None, ["worker"]),
        (put_off, 4, []),
        (put_off, 100, ["worker"]),
        (held, 4, []),
        (held, None, ["worker"]),
    ],
)
def test_mails_that_wait_need_a_worker_that_was_seen_within_a_minute(mail, worker_seen, problems, relay):
    if mail:
        mail(1) if mail is overdue else mail()
    if worker_seen is not None:
        seen(worker_seen)
    response = Client().get("/healthz")
    assert response.json()["problems"] == problems
    assert response.status_code == (503 if problems else 200)
    assert response.json()["status"] == ("trouble" if problems else "ok")


@pytest.mark.parametrize(("seconds", "problems"), [(170, []), (190, ["overdue"])])
def test_a_mail_that_is_overdue_by_three_minutes_is_trouble_although_a_worker_lives(seconds, problems):
    seen(2)
    overdue(seconds)
    response = Client().get("/healthz")
    assert response.json()["problems"] == problems
    assert response.json()["oldest_due_seconds"] in range(seconds, seconds + 10)


def test_a_mail_whose_worker_died_is_due_from_the_end_of_its_claim():
    seen(2)
    pk = queued()
    claim_by_id([pk], lease=timedelta(seconds=-200), worker="dead")
    assert Client().get("/healthz").json()["problems"] == ["overdue"]


def test_what_is_being_sent_does_not_wait():
    claimed(queued())
    assert Client().get("/healthz").json()["oldest_waiting_seconds"] is None
    assert Client().get("/healthz").status_code == 200


def test_workers_and_closed_connections_are_counted_and_not_named():
    seen(4)
    seen(9, "host:2")
    seen(500, "canary-host:3")
    for number, state in enumerate(("paused", "unreachable", "unreachable", "open")):
        ConnectionState.objects.create(connection=str(number), name="canary", state=state, reason="canary")
    response = Client().get("/healthz")
    assert response.status_code == 200
    assert response.json()["workers"] == {"alive": 2, "seen_seconds_ago": 4}
    assert response.json()["connections"] == {"paused": 1, "unreachable": 2, "resting": 0}
    assert b"canary" not in response.content


def test_it_costs_ten_short_queries(django_assert_max_num_queries, relay):
    held()
    with django_assert_max_num_queries(10):
        Client().get("/healthz")


# ---------------------------------------------------------------- degraded


def degraded():
    answer = Client().get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["status"] == ("degraded" if answer.json()["degraded"] else "ok")
    return answer.json()["degraded"]


@pytest.fixture
def relay(admin):
    fields = {
        "host": "relay.canary.example",
        "port": 587,
        "tls": "starttls",
        "username": "u",
        "sender": "a@example.com",
    }
    return storing.store(
        kind="smtp", name="canary", fields=fields, values={"password": "x"}, actor=admin, available_to_system=True
    )


def test_it_is_degraded_while_no_key_fits(relay, settings):
    assert degraded() == {}
    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]
    assert degraded() == {"keys": "No key in SECRETS_KEYS decrypts the password of the connection that sends."}


def test_it_is_degraded_while_the_connection_of_the_system_cannot_send(relay):
    for state in ("paused", "unreachable", "resting"):
        ConnectionState.objects.update_or_create(connection=str(relay.pk), defaults={"name": "canary", "state": state})
        assert degraded() == {"connection": f"The connection that sends is {state}."}
        assert b"canary" not in Client().get("/healthz").content
    ConnectionState.objects.update(state="open")
    assert degraded() == {}


def test_it_is_degraded_while_messages_wait_and_there_is_no_connection():
    seen(2)
    queued(due=timezone.now())
    assert degraded() == {"connection": "There is no connection to send through."}


def test_it_is_degraded_while_nothing_can_be_written(settings, monkeypatch, tmp_path):
    monkeypatch.setattr(degradation, "PROBE_SECONDS", 0.0)
    settings.VAR_DIR = Path("/proc")
    assert degraded() == {"disk": "The disk cannot be written."}
    settings.VAR_DIR = tmp_path
    assert degraded() == {}

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert degraded() == {"disk": "The disk is full."}
