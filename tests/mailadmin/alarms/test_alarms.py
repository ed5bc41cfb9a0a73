"""People are told of incidents: once when one opens, once as a reminder, once at its end, and never about alarms."""

import hashlib
import hmac
import socket
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from mailadmin.alarms import booking, sending, webhook
from mailadmin.api import Mail, send_many
from mailadmin.configuration import effective
from mailadmin.connections import circuit_breaker
from mailadmin.delivery import deliver
from mailadmin.models import Alarm, AlarmRules
from maillog.models import Incident, Message, Status
from secrets_app import vault
from tests.cases import case
from tests.mailadmin.alarms.webhooks import Receiver
from tests.maillog.makers import make_incident

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver():
    """Start receivers; they stop with the test."""
    started = []

    def start(**options):
        started.append(Receiver(**options))
        return started[-1]

    yield start
    for one in started:
        one.close()


def rules(**fields):
    AlarmRules.objects.update_or_create(pk=1, defaults=fields)


def told():
    return list(Alarm.objects.order_by("id").values_list("event", "channel", "state"))


def tell():
    """Do what the worker's beat and its job do."""
    if booking.check():
        sending.send_waiting()
    deliver.deliver_due()


def put(count, hint=""):
    return send_many(
        Mail(to=[f"p{n}@example.com"], subject="x", text="x", mode="background", connection_hint=hint)
        for n in range(count)
    )


# ---------------------------------------------------------------- when


def test_nobody_is_told_while_nobody_is_named():
    make_incident(mails=[1])
    assert booking.check() is False
    assert told() == []


def test_an_incident_is_told_once_reminded_of_once_and_its_end_is_told_once(receiver):
    hook = receiver()
    rules(webhook_url=hook.url, remind_hours=4)
    incident = make_incident(mails=[1, 2, 3])
    for _ in range(3):
        tell()
    with time_machine.travel(timezone.now() + timedelta(hours=5)):
        for _ in range(3):
            tell()
        Incident.objects.update(state="ended", ended_at=timezone.now(), ending="recovered")
        for _ in range(3):
            tell()
    assert [one["event"] for one in hook.told] == ["opened", "reminder", "ended"]
    first = hook.told[0]
    assert (first["incident"], first["connection"], first["kind"], first["count"]) == (
        incident.pk,
        "Relay A",
        "auth",
        3,
    )
    assert first["sentence"].startswith("535 on Relay A: 3 messages since ")
    assert first["url"].endswith(f"/mail/incidents/{incident.pk}/")
    assert first["first_at"]
    assert {one.result for one in Alarm.objects.all()} == {"HTTP 204"}


def test_the_end_of_what_was_never_told_is_no_news(receiver):
    hook = receiver()
    rules(webhook_url=hook.url)
    make_incident(mails=[1], state="ended", ended_at=timezone.now(), ending="quiet")
    tell()
    assert hook.told == []


@pytest.mark.both_databases
def test_two_workers_book_the_same_alarm_once():
    rules(webhook_url="http://127.0.0.1:9/")
    incident = make_incident(mails=[1])
    now = timezone.now()
    assert booking.book_one(Alarm.Event.OPENED, Alarm.Channel.WEBHOOK, AlarmRules.current(), now, incident=incident)
    assert not booking.book_one(Alarm.Event.OPENED, Alarm.Channel.WEBHOOK, AlarmRules.current(), now, incident=incident)


def test_many_incidents_at_once_are_no_storm(receiver):
    hook = receiver()
    rules(webhook_url=hook.url)
    for number in range(30):
        make_incident(connection=f"Relay {number}", mails=[number + 1])
    for _ in range(3):
        tell()
    assert len(hook.told) == booking.MAX_PER_HOUR
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        tell()
    assert len(hook.told) == 30


@pytest.mark.both_databases
def test_an_alarm_of_a_worker_that_died_is_not_sent_again_and_says_so(receiver):
    hook = receiver()
    rules(webhook_url=hook.url)
    make_incident(mails=[1])
    booking.check()
    Alarm.objects.update(state="sending")
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        booking.clean_up(timezone.now())
        tell()
    assert hook.told == []
    assert "not known whether" in Alarm.objects.get().result


# ---------------------------------------------------------------- mails


def test_the_mail_goes_through_another_connection_than_the_one_in_trouble(start_smtp, secret, admin):
    first = secret("relay A", start_smtp(), password="wrong")
    other = start_smtp()
    secret("relay B", other)
    effective.save({"primary_connection": str(first.pk)}, author=admin, expected_revision=None)
    rules(addresses="ops@example.com\nann@example.com", connection=str(first.pk))
    put(20)
    deliver.deliver_due()
    for _ in range(2):
        tell()
    (mail,) = other.mails
    assert mail.recipients == ("ops@example.com", "ann@example.com")
    assert b"535 on relay A: 20 messages since" in mail.content
    alarm = Alarm.objects.get()
    assert (alarm.connection, alarm.state) == ("relay B", "done")
    assert Message.objects.get(pk=alarm.mail_number or 0).tags == "alarm"


def test_where_there_is_no_other_connection_the_alarm_says_so(start_smtp, secret, admin_client):
    secret("relay A", start_smtp(), password="wrong")
    rules(addresses="ops@example.com")
    ids = put(5)
    deliver.deliver_due()
    tell()
    alarm = Alarm.objects.get()
    assert (alarm.state, alarm.mail_number) == ("failed", None)
    assert "No other working connection" in alarm.result
    assert Message.objects.count() == len(ids), "no mail was made that could not leave"
    html = admin_client.get("/mail/incidents/alarms/").content.decode()
    assert "No alarm email can be sent right now." in html
    assert (
        "No other working connection" in admin_client.get(f"/mail/incidents/{alarm.incident_number}/").content.decode()
    )


def test_an_alarm_mail_that_fails_opens_no_incident_and_is_told_to_nobody(start_smtp, secret):
    secret("relay A", start_smtp(), password="wrong")
    other = start_smtp()
    secret("relay B", other)
    other.mailbox.refused = {"ops@example.com": "550 5.1.1 No such user"}
    rules(addresses="ops@example.com", threshold=1)
    put(3, "relay A")
    deliver.deliver_due()
    for _ in range(3):
        tell()
    alarm = Alarm.objects.get()
    assert Message.objects.get(pk=alarm.mail_number or 0).status == Status.FAILED
    assert list(Incident.objects.values_list("connection", flat=True)) == ["relay A"]


def test_a_connection_that_only_an_alarm_met_is_told_to_nobody(start_smtp, secret):
    secret("relay A", start_smtp(), password="wrong")
    secret("relay B", start_smtp(), password="wrong too")
    secret("relay C", start_smtp())
    rules(addresses="ops@example.com")
    put(3, "relay A")
    deliver.deliver_due()
    for _ in range(3):
        tell()
    assert [one.incident_number for one in Alarm.objects.all()] == [Incident.objects.get(connection="relay A").pk]
    assert Incident.objects.get(connection="relay B").mail_count == 0


# ---------------------------------------------------------------- the webhook


def test_the_body_is_signed_if_there_is_a_secret(receiver, settings):
    settings.WEBHOOK_SECRET = "canary-webhook-secret"
    hook = receiver()
    assert webhook.post(hook.url, {"a": "ä"}) == 204
    wanted = hmac.new(b"canary-webhook-secret", hook.bodies[0], hashlib.sha256).hexdigest()
    assert hook.headers[0][webhook.SIGNATURE] == f"sha256={wanted}"
    settings.WEBHOOK_SECRET = ""
    webhook.post(hook.url, {})
    assert webhook.SIGNATURE not in hook.headers[1]


def test_addresses_that_must_not_be_called_are_refused(admin_client):
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
        "http://metadata.google.internal/",
        "http://[fe80::1]/",
        "http://0.0.0.0:8000/",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1:8000/",
        "http://127.0.0.1:22/",
        "http://127.0.0.1:25/",
        "http://ann:secret@127.0.0.1:8000/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:8000/a b",
        "http://127.0.0.1:8000/\r\nX: y",
        "https://",
        "hook",
    ]:
        with case(url):
            with pytest.raises(webhook.WebhookRefused):
                webhook.post(url, {})
            fields = {"webhook_url": url, "remind_hours": 4, "threshold": 10, "minutes": 15}
            response = admin_client.post("/mail/incidents/alarms/", fields)
            assert response.status_code == 422
            assert not AlarmRules.objects.exists()


def test_private_hosts_are_refused_where_mail_may_not_go_there_either(receiver, mail_settings):
    hook = receiver()
    mail_settings(private_hosts=False)
    with pytest.raises(webhook.WebhookRefused, match="MAIL_PRIVATE_HOSTS"):
        webhook.post(hook.url, {})
    assert hook.told == []


def test_plain_http_leaves_the_own_network_never(monkeypatch):
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: answer)
    with pytest.raises(webhook.WebhookRefused, match="https"):
        webhook.post("http://hooks.example.com/", {})


def test_redirects_are_not_followed(receiver):
    secret = receiver()
    first = receiver(status=302, location=secret.url)
    with pytest.raises(webhook.WebhookFailed, match="302"):
        webhook.post(first.url, {})
    assert secret.told == []


def test_what_the_receiver_answers_is_recorded(receiver):
    rules(webhook_url=receiver(status=500).url)
    make_incident(mails=[1])
    tell()
    alarm = Alarm.objects.get()
    assert (alarm.state, alarm.result) == ("failed", "HTTP 500.")
    assert alarm.finished_at


def test_a_receiver_that_does_not_answer_is_given_up(receiver, monkeypatch):
    monkeypatch.setattr(webhook, "TIMEOUT", 0.2)
    with pytest.raises(webhook.WebhookFailed, match="No response"):
        webhook.post(receiver(waits=2.0).url, {})


def test_nobody_at_the_other_end_is_said(receiver):
    hook = receiver()
    hook.close()
    with pytest.raises(webhook.WebhookFailed, match="Connection failed: Connection refused"):
        webhook.post(hook.url, {})


def test_something_that_is_not_tls_is_said(receiver):
    with pytest.raises(webhook.WebhookFailed):
        webhook.post(receiver().url.replace("http:", "https:"), {})


# ---------------------------------------------------------------- the page


def test_the_page_saves_the_rules_and_says_who_did(admin_client):
    fields = {
        "addresses": "ops@example.com, Ann@Example.com",
        "webhook_url": "https://chat.example.com/hook",
        "remind_hours": "0",
        "threshold": "5",
        "minutes": "30",
    }
    html = admin_client.post("/mail/incidents/alarms/", fields, follow=True).content.decode()
    stored = AlarmRules.objects.get()
    assert stored.recipients == ["ops@example.com", "Ann@example.com"]
    assert (stored.threshold, stored.minutes, stored.remind_hours) == (5, 30, 0)
    assert "Saved by admin@example.com" in html


@pytest.mark.both_databases
def test_bad_input_is_said_at_its_field(admin_client):
    fields = {"addresses": "", "webhook_url": "", "remind_hours": "4", "threshold": "10", "minutes": "15"}
    for field, value in [
        ("addresses", "nobody"),
        ("addresses", "a@b\r\nBcc: c@d"),
        ("addresses", " ".join(f"p{n}@example.com" for n in range(21))),
        ("addresses", "\0"),
        ("connection", "77"),
        ("threshold", "0"),
        ("threshold", "99999999999"),
        ("minutes", "x"),
        ("remind_hours", "-1"),
        ("webhook_url", "x" * 600),
    ]:
        with case(field, value):
            response = admin_client.post("/mail/incidents/alarms/", {**fields, field: value})
            assert response.status_code == 422
            assert field in response.context["form"].errors
            assert not AlarmRules.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_test_alarm_tells_the_truth_about_each_channel(admin_client, start_smtp, secret, receiver, jobs):
    server = start_smtp()
    secret("relay A", server)
    rules(addresses="ops@example.com", webhook_url=receiver(status=403).url)
    html = admin_client.get("/mail/incidents/alarms/").content.decode()
    assert "There is only one working connection." in html
    html = admin_client.post("/mail/incidents/alarms/test/", follow=True).content.decode()
    assert "2 test alarms are queued" in html
    assert server.mails == []
    jobs.run()
    html = admin_client.get("/mail/incidents/alarms/").content.decode()
    assert "HTTP 403." in html
    assert [mail.recipients for mail in server.mails] == [("ops@example.com",)]
    assert "Sent" in html


def test_without_anybody_to_tell_a_test_says_so(admin_client):
    html = admin_client.post("/mail/incidents/alarms/test/", follow=True).content.decode()
    assert "There is nobody to notify" in html
    assert told() == []


def test_a_closed_connection_sends_no_alarm(start_smtp, secret):
    chosen = secret("relay A", start_smtp())
    secret("relay B", start_smtp())
    circuit_breaker.pause(next(one for one in vault.connections() if one.name == "relay A"), by="Ann")
    rules(addresses="ops@example.com", connection=str(chosen.pk))
    usable = sending.usable_connections(AlarmRules.current(), effective.current())
    assert [one.name for one in usable] == ["relay B"]
