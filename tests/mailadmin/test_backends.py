"""Django's own mails, through the email backend."""

from email import message_from_bytes, policy
from email.mime.base import MIMEBase

import pytest
from django.core import mail as django_mail
from django.core.mail import EmailMessage, EmailMultiAlternatives, send_mail

from mailadmin.errors import InvalidMail
from maillog.content.storage import unpack
from maillog.models import Content, Message
from tests.cases import case

# Django 6.1 warns of an API that is older; it is still there, and people's projects use it.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:.*(is|are) deprecated")]


@pytest.fixture(autouse=True)
def sender(mail_settings):
    return mail_settings(driver="silent", from_address="shop@example.com")


def stored():
    return message_from_bytes(unpack(Content.objects.get().mime), policy=policy.default)


def test_send_mail_goes_into_the_outbox():
    assert send_mail("Hi", "Hello", None, ["ann@example.com"]) == 1
    row = Message.objects.get()
    assert (row.subject, row.to_text) == ("Hi", "ann@example.com")
    assert stored()["From"] == "shop@example.com"


def test_everything_a_message_carries_arrives():
    message = EmailMultiAlternatives(
        subject="Grüße",
        body="Text",
        from_email="Ann <ann@example.com>",
        to=["bob@example.com"],
        bcc=["hidden@example.com"],
        headers={"X-Order": "17", "Message-ID": "<own@example.com>"},
        cc=["cc@example.com"],
        reply_to=["re@example.com"],
    )
    message.attach_alternative("<p>HTML</p>", "text/html")
    message.attach_alternative("BEGIN:VCALENDAR", "text/calendar")
    message.attach("a.csv", b"1;2", "text/csv")
    part = MIMEBase("application", "x-own")
    part.set_payload("abc")
    message.attach(part)
    assert message.send() == 1
    row = Message.objects.get()
    assert row.to_text.split() == ["bob@example.com", "cc@example.com", "hidden@example.com"]
    assert row.message_id == "<own@example.com>"
    assert row.has_attachment
    arrived = stored()
    assert (arrived["Subject"], arrived["From"], arrived["X-Order"]) == ("Grüße", "Ann <ann@example.com>", "17")
    assert (arrived["Cc"], arrived["Reply-To"], arrived["Bcc"]) == ("cc@example.com", "re@example.com", None)
    kinds = {part.get_content_type() for part in arrived.walk()}
    assert {"text/plain", "text/html", "text/calendar", "text/csv", "application/x-own"} <= kinds


def test_lines_end_with_crlf():
    send_mail("Hi", "one\ntwo\r\nthree\rfour", None, ["ann@example.com"])
    octets = unpack(Content.objects.get().mime)
    assert octets.count(b"\n") == octets.count(b"\r\n") == octets.count(b"\r")


def test_hostile_messages_are_refused():
    for message in [
        EmailMessage("Hi\nBcc: eve@example.com", "x", None, ["ann@example.com"]),
        EmailMessage("Hi\x85", "x", None, ["ann@example.com"]),
        EmailMessage("Hi", "x", None, ["ann@example.com"], headers={"X-A": "b\r\nBcc: eve@example.com"}),
        EmailMessage("Hi", "x", None, ["ann@example.com"], headers={"Bcc": "eve@example.com"}),
        EmailMessage("Hi", "x", None, ["ann@example.com"], headers={"To": "a group: eve@example.com;"}),
        EmailMessage("Hi", "x", None, ["ann@example.com, eve@example.com"]),
        EmailMessage("Hi", "x", "not an address", ["ann@example.com"]),
        EmailMessage("Hi", "x \ud800", None, ["ann@example.com"]),
    ]:
        with case(message):
            with pytest.raises(InvalidMail):
                message.send()
            assert not Message.objects.exists()
            message.connection = None
            assert message.send(fail_silently=True) == 0


def test_the_message_itself_is_left_as_it_was():
    message = EmailMessage("Hi", "x", None, ["ann@example.com"])
    message.send()
    assert message.extra_headers == {}


def test_a_batch_is_stored_wholly_or_not_at_all():
    messages = [EmailMessage("Hi", "x", None, ["ann@example.com"]), EmailMessage("Hi", "x", None, ["bad"])]
    with pytest.raises(InvalidMail):
        django_mail.get_connection().send_messages(messages)
    assert not Message.objects.exists()


def test_a_message_without_recipients_is_not_counted():
    assert EmailMessage("Hi", "x", None, []).send() == 0
