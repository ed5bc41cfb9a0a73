"""Messages through a driver that one short file adds: log, queue, circuit breaker, failover and limits know it."""

import sys
from datetime import timedelta

import pytest
import time_machine
from django.core.mail import EmailMessage
from django.utils import timezone
from django.views.debug import ExceptionReporter

from mailadmin.api import Attachment, send, send_many
from mailadmin.backends import OutboxBackend
from mailadmin.delivery import deliver, maintenance
from mailadmin.errors import InvalidMail
from mailadmin.models import ConnectionState
from maillog.models import Attempt, Message, Status
from secrets_app import storing
from tests.mailadmin.drivers.pickup.gateway import MODULE, TOKEN, attempts_of, mail, save, status_of, text_of

pytestmark = pytest.mark.django_db(transaction=True)


# ---------------------------------------------------------------- sending


def test_a_test_mail_goes_through_it_and_its_result_names_it(admin_client, in_force, folder, stored, jobs):
    stored(folder)
    assert "Gateway" in text_of(admin_client.get("/mail/test/"))
    response = admin_client.post("/mail/test/", {"to": "ann@example.com"})
    jobs.run()
    number = Message.objects.get().pk
    result = text_of(admin_client.get(response.url))
    for words in ("pickup", "Gateway", str(folder)):
        assert words in result, words
    assert b"X-Receiver: ann@example.com\r\n" in (folder / f"{number}.eml").read_bytes()
    page = text_of(admin_client.get(f"/log/{number}/"))
    assert f"pickup · Gateway · {folder}" in page
    assert "without TLS" not in page


def test_a_message_that_is_not_stored_is_retried_from_the_queue(in_force, folder, stored):
    stored(folder)
    number = send(mail())
    blocked = folder / f"{number}.eml"
    blocked.mkdir()
    deliver.deliver_due()
    assert status_of(number) == Status.DEFERRED
    blocked.rmdir()
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        deliver.deliver_due()
    assert status_of(number) == Status.SENT
    assert attempts_of(number) == [("pickup", "Gateway", "deferred"), ("pickup", "Gateway", "sent")]


def test_a_refused_token_pauses_the_connection_after_one_attempt(in_force, folder, stored, admin):
    secret = stored(folder, token="old")
    send_many([mail() for _each in range(20)])
    deliver.deliver_due()
    assert set(Message.objects.values_list("status", flat=True)) == {Status.HELD}
    assert Attempt.objects.count() == 1
    assert ConnectionState.objects.get().state == ConnectionState.State.PAUSED
    storing.change(secret.pk, revision=1, name="Gateway", fields=secret.fields, values={"token": TOKEN}, actor=admin)
    deliver.deliver_due()
    assert set(Message.objects.values_list("status", flat=True)) == {Status.SENT}


def test_a_missing_folder_is_probed_until_it_is_there(in_force, folder, stored, tmp_path):
    missing = tmp_path / "later"
    stored(missing)
    (number,) = send_many([mail()])
    deliver.deliver_due()
    assert status_of(number) == Status.HELD
    assert ConnectionState.objects.get().state == ConnectionState.State.UNREACHABLE
    folder.rename(missing)
    with time_machine.travel(timezone.now() + timedelta(minutes=5)):
        maintenance.probe_connections()
        deliver.deliver_due()
    assert status_of(number) == Status.SENT


def test_a_failure_goes_over_to_a_connection_of_another_driver_and_back(
    in_force, mail_settings, folder, stored, secret, smtp_server, admin, tmp_path
):
    broken, gateway, relay = stored(tmp_path / "none", name="Broken"), stored(folder), secret("Relay", smtp_server)
    save(admin, primary_connection=str(broken.pk), backup_connections=f"{relay.pk}")
    (number,) = send_many([mail()])
    deliver.deliver_due()
    assert attempts_of(number) == [("pickup", "Broken", "deferred"), ("smtp", "Relay", "sent")]
    assert len(smtp_server.mails) == 1

    smtp_server.stop()
    mail_settings(driver="smtp", from_address="shop@example.com")
    save(admin, primary_connection=str(relay.pk), backup_connections=f"{gateway.pk}")
    (number,) = send_many([mail()])
    deliver.deliver_due()
    assert attempts_of(number) == [("smtp", "Relay", "deferred"), ("pickup", "Gateway", "sent")]
    assert (folder / f"{number}.eml").exists()


def test_a_message_may_ask_for_its_connection_while_another_driver_is_in_force(mail_settings, folder, stored):
    mail_settings(driver="smtp", from_address="shop@example.com")
    stored(folder)
    asking, other = send_many([mail(connection_hint="Gateway"), mail()])
    deliver.deliver_due()
    assert attempts_of(asking) == [("pickup", "Gateway", "sent")]
    assert status_of(other) == Status.HELD, "without the hint, only connections of the driver in force are used"


# ---------------------------------------------------------------- what it cannot carry


def test_an_attachment_is_refused_by_name_before_anything_is_stored(in_force, folder, stored, admin):
    stored(folder)
    attached = mail(attachments=[Attachment(filename="a.txt", content=b"a", content_type="text/plain")])
    with pytest.raises(InvalidMail) as refused:
        send_many([mail(), attached])
    assert (refused.value.field, refused.value.position) == ("attachments", 1)
    assert refused.value.reason == "The driver “Pickup” cannot carry attachments."
    message = EmailMessage("Hi", "x", to=["ann@example.com"], attachments=[("a.txt", b"a", "text/plain")])
    with pytest.raises(InvalidMail, match="cannot carry attachments"):
        OutboxBackend().send_messages([message])
    assert not Message.objects.exists()


def test_a_backup_that_cannot_carry_a_message_is_passed_over(mail_settings, folder, stored, secret, smtp_server, admin):
    mail_settings(driver="smtp", from_address="shop@example.com")
    gateway, relay = stored(folder), secret("Relay", smtp_server)
    smtp_server.stop()
    save(admin, primary_connection=str(relay.pk), backup_connections=f"{gateway.pk}")
    attached = mail(attachments=[Attachment(filename="a.txt", content=b"a", content_type="text/plain")])
    plain, held = send_many([mail(), attached])
    deliver.deliver_due()
    assert (status_of(plain), status_of(held)) == (Status.SENT, Status.HELD)
    assert not (folder / f"{held}.eml").exists()


# ---------------------------------------------------------------- secrets


FAULT = """
def write(envelope, connection):
    token = connection.secrets["token"]
    raise RuntimeError("a fault")
"""


def test_a_report_of_a_fault_in_it_shows_no_secret(in_force, folder, stored, caplog):
    stored(folder)
    exec(FAULT, vars(sys.modules[MODULE]))
    send_many([mail()])
    deliver.deliver_due()
    assert Message.objects.get().status == Status.DEFERRED
    (failure,) = [record.exc_info for record in caplog.records if record.exc_info]
    report = ExceptionReporter(None, *failure)
    assert "in write" in report.get_traceback_text()
    for text in (report.get_traceback_text(), report.get_traceback_html(), caplog.text):
        assert TOKEN not in text
