"""What each operator of the search finds, and what it does not."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from maillog.models import Message
from tests.factories import make_user
from tests.maillog.makers import finished, queued
from tests.maillog.search.searching import problem, subjects

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_one_mail_is_found_by_each_of_its_parts_and_the_other_is_not():
    other = finished(
        "sent",
        "bob@customer.invalid",
        subject="Something else",
        sender="news@example.org",
        template="shop/other",
        tags=["test"],
        is_test=True,
        settled={"driver": "log", "connection": "Relay B"},
    )
    Message.objects.filter(pk=other.pk).update(created_at=timezone.now() - timedelta(days=2))
    finished(
        "deferred",
        "Ann.Miller@example.com",
        subject="Ärger im Lager",
        sender="shop@example.net",
        template="shop/order",
        tags=["bulk", "campaign/7"],
        actor=make_user("bea@example.org"),
        is_sensitive=True,
        has_attachment=True,
        settled={"reason": "451 4.7.1 Greylisted, come back later"},
    )
    for query in [
        "ann@",
        "ann.miller@example.com",
        "ann.miller@exam",
        "example.c",
        "MILLER",
        '"Ärger im Lager"',
        "arger lag",
        "to:ann",
        "to:miller@",
        "subject:lager",
        "from:shop@example.net",
        "shop@example.net",
        "error:greylisted",
        '"come back"',
        "451",
        "actor:bea",
        "actor:bea@example.org",
        "template:shop/order",
        "template:shop/order lager",
        "driver:smtp",
        'connection:"Relay A"',
        'connection:"Relay A" lager',
        "tag:bulk",
        "tag:Campaign/7",
        "status:deferred",
        "status:deferred lager",
        "status:deferred driver:smtp lager",
        "status:deferred,failed lager",
        'error:greylisted connection:"Relay A"',
        "error:greylisted driver:smtp",
        "-error:mailbox -driver:log",
        "g",
        "gr come",
        "is:sensitive",
        "has:attachment",
        "-is:test",
        "-is:test lager",
        "-to:bob",
        "lager -bob -status:sent",
        "-status:sent",
        "-template:shop/other",
        "after:1h",
        "-before:1h",
        "before:2990-01-01 lager",
        "Ärger & Lager",
        "-actor:system",
    ]:
        assert subjects(query) == ["Ärger im Lager"], query


def test_an_error_is_found_with_the_driver_and_the_connection_it_came_through_and_with_no_other():
    for driver, relay, reason in (("smtp", "Relay A", "550 No such user"), ("ses", "Relay B", "554 Spam")):
        finished("failed", subject=relay, settled={"driver": driver, "connection": relay, "reason": reason})
    assert subjects("error:spam driver:ses") == ["Relay B"]
    assert subjects("status:failed user driver:smtp") == ["Relay A"]
    assert subjects("error:spam driver:smtp") == []
    assert subjects('status:failed user connection:"Relay B"') == []


def test_words_are_found_from_their_beginning_and_nothing_else_is():
    finished("sent", "ann@example.com", subject="Arger Lager", tags=["bulk"], template="x")
    for query in ["nn@", "miller lager2", '"lager arger"', "tag:bul", "subject:ann", '"exam"', "t1"]:
        assert subjects(query) == [], query


def test_a_test_is_found_alone_and_with_words():
    finished("sent", subject="Hello")
    finished("sent", subject="Hello test", is_test=True)
    for query in ("is:test", "is:test hello", "hello is:test status:sent", "is:test -zeppelin"):
        assert subjects(query) == ["Hello test"]
    assert subjects("is:test -hello") == subjects("is:test -is:test") == []


def test_a_mail_is_found_by_its_number():
    first, second = queued(subject="a"), queued(subject="b")
    assert subjects(f"id:{first}") == ["a"]
    assert subjects(f"-id:{second}") == ["a"]


def test_a_name_that_no_mail_has_is_said_with_the_nearest():
    finished("sent", template="account/welcome")
    assert "Did you mean template:account/welcome?" in problem("x template:welcome")
    assert 'Did you mean -connection:"Relay A"?' in problem("-connection:relayA")
    assert "No message has the driver “pigeon” (character 1)." in problem("driver:pigeon")


def test_days_begin_in_the_time_zone_in_force():
    pk = queued(subject="early on the 10th in Berlin")
    Message.objects.filter(pk=pk).update(created_at=datetime(2026, 3, 9, 23, 1, tzinfo=UTC))
    with timezone.override("Europe/Berlin"):
        assert subjects("after:2026-03-10 before:2026-03-11") != []
        assert subjects("before:2026-03-10") == []


def test_times_that_nothing_lies_in_find_nothing():
    Message.objects.filter(pk=queued()).update(created_at=timezone.now() - timedelta(days=2))
    for query in (
        "after:1h",
        "invoice after:1h",
        "invoice after:1h status:queued",
        "invoice before:3d",
        "after:1d before:1d",
    ):
        assert subjects(query) == [], query
    assert subjects("invoice after:3d before:1d status:queued -ann@x") == ["Your invoice"]


def test_mail_log_takes_the_same_language():
    finished("failed", subject="Bad", settled={"reason": "550 no"})
    finished("sent", subject="Good")
    out = StringIO()
    call_command("mail_log", "status:failed", "after:2h", "--json", stdout=out)
    assert [json.loads(line)["subject"] for line in out.getvalue().splitlines()] == ["Bad"]
