"""From the outbox to the server and back into the log, through a real SMTP server."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from mailadmin.api import Mail, send
from mailadmin.delivery import deliver
from maillog.models import Attempt, Content, Message, Recipient, Status
from tests.smtp_faults import HANG

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

PASSWORD = "canary-7c0ffee-password"


def mail(**fields):
    return Mail(**{"to": ["ann@example.com"], "subject": "Hi", "text": "Hello", **fields})


@pytest.fixture
def relay(start_smtp, mail_settings):
    """A real server, named by the environment."""

    def start(*, password="", mode="instant", timeout=30, **options):
        server = start_smtp(password=PASSWORD, **options)
        fields = {**server.fields, "password": password or PASSWORD}
        mail_settings(**fields, from_address="shop@example.com", send_mode=mode, timeout=timeout)
        return server

    return start


def test_an_instant_mail_is_delivered_before_send_returns(relay):
    server = relay()
    number = send(mail())
    row = Message.objects.get(pk=number)
    assert (row.status, row.attempt_count, row.reason, row.next_attempt_at) == (Status.SENT, 1, "", None)
    assert row.finished_at is not None
    accepted = server.mails[0]
    assert (accepted.sender, accepted.recipients) == ("shop@example.com", ("ann@example.com",))
    assert row.message_id.encode() in accepted.content
    attempt = Attempt.objects.get(message=row)
    assert (attempt.outcome, attempt.code, attempt.driver, attempt.connection) == ("sent", 250, "smtp", "environment")
    assert attempt.tls.startswith("TLSv1")


def test_an_instant_mail_in_a_transaction_waits_for_the_commit(relay):
    server = relay()
    with transaction.atomic():
        number = send(mail())
        assert Message.objects.get(pk=number).status == Status.QUEUED
        assert server.mails == []
    assert Message.objects.get(pk=number).status == Status.SENT


def test_a_background_mail_is_delivered_by_the_worker(relay, jobs):
    server = relay(mode="background")
    number = send(mail())
    assert Message.objects.get(pk=number).status == Status.QUEUED
    jobs.run()
    assert Message.objects.get(pk=number).status == Status.SENT
    assert len(server.mails) == 1


def test_without_a_connection_the_mail_is_held_and_goes_out_once_there_is_one(relay, mail_settings, jobs):
    mail_settings(from_address="shop@example.com")
    number = send(mail())
    jobs.run()
    row = Message.objects.get(pk=number)
    assert (row.status, row.attempt_count) == (Status.HELD, 0)
    assert "No connection" in row.reason
    relay(mode="background")
    deliver.deliver_due()
    assert Message.objects.get(pk=number).status == Status.SENT


def test_a_wrong_password_holds_the_mail_and_appears_nowhere(relay):
    relay(password="canary-wrong-password")
    number = send(mail())
    row = Message.objects.get(pk=number)
    assert row.status == Status.HELD
    attempt = Attempt.objects.get(message=row)
    assert (attempt.code, attempt.phase) == (535, "auth")
    everything = f"{vars(row)} {vars(attempt)}"
    assert "canary" not in everything


def test_a_refused_recipient_fails_the_mail_with_the_servers_words(relay):
    relay().refuse("ann@example.com", "550 5.1.1 No such user here")
    row = Message.objects.get(pk=send(mail()))
    assert row.status == Status.FAILED
    assert row.reason == "550 5.1.1 No such user here"
    assert Recipient.objects.get(message=row).outcome == "refused"


def test_each_recipient_has_an_outcome_and_only_the_deferred_one_is_tried_again(relay):
    server = relay()
    server.refuse("bob@example.com", "550 5.1.1 Unknown")
    server.refuse("cat@example.com", "451 4.7.1 Later")
    number = send(mail(to=["ann@example.com", "bob@example.com", "cat@example.com"]))
    row = Message.objects.get(pk=number)
    assert row.status == Status.DEFERRED
    outcomes = dict(Recipient.objects.filter(message=row).values_list("search_address", "outcome"))
    assert outcomes == {"ann@example.com": "accepted", "bob@example.com": "refused", "cat@example.com": "deferred"}
    server.mailbox.refused.clear()
    deliver.deliver_these([number])
    assert server.mails[1].recipients == ("cat@example.com",)
    row.refresh_from_db()
    assert row.status == Status.PARTLY_SENT, "bob never got it"
    assert Attempt.objects.filter(message=row).count() == 2


def test_a_claim_that_ran_out_is_taken_over(relay, jobs):
    server = relay(mode="background")
    number = send(mail())
    Message.objects.filter(pk=number).update(
        status=Status.SENDING, claim="dead", attempt_count=1, next_attempt_at=timezone.now() - timedelta(seconds=1)
    )
    deliver.deliver_due()
    row = Message.objects.get(pk=number)
    assert (row.status, row.attempt_count) == (Status.SENT, 2)
    assert row.message_id.encode() in server.mails[0].content


def test_a_sensitive_body_is_gone_after_delivery(relay):
    relay()
    number = send(mail(sensitive=True))
    assert Message.objects.get(pk=number).status == Status.SENT
    assert not Content.objects.filter(pk=number).exists()


def test_a_test_mail_that_fails_is_not_tried_again(relay):
    relay(password="wrong")
    row = Message.objects.get(pk=send(mail(tags=["test"])))
    assert (row.status, row.next_attempt_at) == (Status.FAILED, None)


@pytest.mark.parametrize(("driver", "status"), [("silent", "silenced"), ("disabled", "skipped"), ("log", "logged")])
def test_drivers_that_deliver_nothing_say_so(driver, status, mail_settings):
    mail_settings(driver=driver, from_address="shop@example.com", send_mode="instant")
    row = Message.objects.get(pk=send(mail()))
    assert row.status == status
    assert row.attempts.get().driver == driver


def test_bcc_reaches_the_envelope_and_no_header(relay):
    server = relay()
    send(mail(bcc=["secret@example.com"]))
    assert server.mails[0].recipients == ("ann@example.com", "secret@example.com")
    assert b"secret@example.com" not in server.mails[0].content


def test_lines_that_begin_with_a_dot_arrive_unchanged(relay):
    server = relay()
    send(mail(text="one\n.\n..two\n.three"))
    assert b"one\r\n.\r\n..two\r\n.three" in server.mails[0].content


@pytest.mark.parametrize(
    ("phase", "status"), [("mail", Status.DEFERRED), ("data", Status.DEFERRED), ("content", Status.UNCERTAIN)]
)
def test_a_server_that_says_no_more_is_given_up_within_the_timeout(
    start_faulty_smtp, mail_settings, patient, phase, status
):
    server = start_faulty_smtp(faults={phase: HANG})
    mail_settings(**server.fields, from_address="shop@example.com", send_mode="instant", timeout=20)
    row = Message.objects.get(pk=send(mail()))
    assert row.status == status
    assert Attempt.objects.get(message=row).phase == phase
