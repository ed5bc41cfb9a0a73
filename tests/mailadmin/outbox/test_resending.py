"""Mails are sent again: as new mails that name the old one, saying the same, to whom somebody chose."""

import email
from email import policy

import pytest
from django.utils import timezone

from mailadmin.api import Mail, send
from mailadmin.message.addresses import parse_address
from mailadmin.outbox import resending
from maillog.content.storage import unpack
from maillog.models import AuditEvent, Content, Message, Recipient
from maillog.queue.settling import settle
from maillog.retention import deletion
from tests.maillog.makers import claimed, finished, queued, settlement

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture(autouse=True)
def configured(mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com")


def sent(**fields):
    """Store a mail through the public door and let it be delivered."""
    pk = send(Mail(**{"to": ["Ann Lee <ann@example.com>"], "subject": "Grüße", "text": "Hello\n", **fields}))
    assert settle([settlement(claimed(pk))]) == {pk}
    return Message.objects.get(pk=pk)


def read(pk):
    return email.message_from_bytes(unpack(Content.objects.get(pk=pk).mime), policy=policy.default)


def body(pk):
    return unpack(Content.objects.get(pk=pk).mime).partition(b"\r\n\r\n")[2]


def addresses(pk):
    return sorted(Recipient.objects.filter(message_id=pk).values_list("kind", "address"))


def test_to_the_same_recipients_everything_stays_but_message_id_and_date(admin):
    old = sent(cc=["ben@example.com"], bcc=["carl@example.com"], html="<p>Hello</p>", tags=["a"], metadata={"b": 1})
    new = Message.objects.get(pk=resending.resend(old, actor=admin))
    before, after = read(old.pk), read(new.pk)
    assert (new.resent_from, new.status, new.attempt_count, new.actor) == (old.pk, "queued", 0, admin)
    assert after["Message-ID"] == new.message_id != before["Message-ID"] == old.message_id
    assert [(k, v) for k, v in after.items() if k not in {"Message-ID", "Date"}] == [
        (k, v) for k, v in before.items() if k not in {"Message-ID", "Date"}
    ]
    assert body(new.pk) == body(old.pk)
    assert addresses(new.pk) == addresses(old.pk)
    assert new.tags == "a"
    assert Content.objects.get(pk=new.pk).metadata == {"b": 1}
    event = AuditEvent.objects.get()
    assert (event.mail_number, event.action, event.other_number, event.actor) == (old.pk, "resent", new.pk, admin)


def test_to_another_address_to_is_rewritten_and_cc_is_gone(admin):
    old = sent(cc=["ben@example.com"])
    pk = resending.resend(old, actor=admin, to=parse_address("Zoë <zoe@bücher.example>"))
    assert addresses(pk) == [("to", "zoe@xn--bcher-kva.example")]
    assert str(read(pk)["To"]) == "Zoë <zoe@xn--bcher-kva.example>"
    assert read(pk)["Cc"] is None
    assert body(pk) == body(old.pk)


def test_a_copy_for_oneself_still_says_whom_it_was_for(admin):
    pk = resending.resend(sent(), actor=admin, to=parse_address(admin.email), keep_to=True)
    assert addresses(pk) == [("to", admin.email)]
    assert "ann@example.com" in str(read(pk)["To"])


def test_the_rules_for_staging_copies_hold(admin, mail_settings):
    old = sent()
    mail_settings(driver="silent", from_address="shop@example.com", allowed_recipients=("*@staging.example",))
    new = Message.objects.get(pk=resending.resend(old, actor=admin))
    assert new.status == "skipped"
    assert "MAIL_ALLOWED_RECIPIENTS" in new.reason


@pytest.mark.parametrize(
    ("fields", "reason"), [({"is_sensitive": True}, resending.SENSITIVE), ({"status": "queued"}, resending.NOT_ENDED)]
)
def test_sensitive_and_unfinished_mails_are_refused_with_the_reason(fields, reason, admin):
    old = finished()
    Message.objects.filter(pk=old.pk).update(**fields)
    old.refresh_from_db()
    with pytest.raises(resending.NotResendable, match=reason[:20]):
        resending.resend(old, actor=admin)
    assert resending.refusal_reason(old) == reason
    assert Message.objects.count() == 1
    assert not AuditEvent.objects.exists()


def test_a_mail_whose_content_is_gone_or_damaged_is_refused(admin):
    old = sent()
    Content.objects.update(mime=b"no zlib")
    with pytest.raises(resending.NotResendable, match="damaged"):
        resending.resend(old, actor=admin)
    deletion.delete_contents([old.pk])
    assert resending.refusal_reason(old) == resending.CONTENT_GONE
    with pytest.raises(resending.NotResendable, match="no longer stored"):
        resending.resend(old, actor=admin)


def test_a_mail_that_was_deleted_meanwhile_is_refused(admin):
    old = sent()
    deletion.delete_rows([old.pk])
    with pytest.raises(resending.NotResendable):
        resending.resend(old, actor=admin)


def test_a_stored_mail_without_usable_headers_is_refused_and_not_sent(admin):
    old = finished(mime=b"Subject: x\nTo: y\n\nline ends of another world\x01")
    with pytest.raises(resending.NotResendable, match="composed again"):
        resending.resend(old, actor=admin)


def test_folded_fields_and_doubled_ones_are_rewritten_whole():
    mime = b"To: a@example.com,\r\n b@example.com\r\nMessage-ID:\r\n <1@x>\r\nSubject: s\r\nDate: x\r\n"
    mime += b"\r\nbody\r\n\r\nmore"
    made = resending.rewritten(
        mime, message_id="<2@x.org>", date=timezone.now(), to=parse_address("c@example.com"), utf8=False
    )
    head, _, rest = made.partition(b"\r\n\r\n")
    assert rest == b"body\r\n\r\nmore"
    assert [line.partition(b":")[0] for line in head.split(b"\r\n")] == [b"To", b"Message-ID", b"Subject", b"Date"]
    assert b"b@example.com" not in head
    assert b"<1@x>" not in head


def test_in_bulk_one_that_cannot_be_sent_does_not_keep_the_others_back(admin):
    good, gone, waiting = sent(), sent(), queued()
    deletion.delete_contents([gone.pk])
    made = resending.resend_all([good.pk, gone.pk, waiting], actor=admin)
    assert list(made.new) == [good.pk]
    assert made.refused == {resending.CONTENT_GONE: [gone.pk], resending.NOT_ENDED: [waiting]}
