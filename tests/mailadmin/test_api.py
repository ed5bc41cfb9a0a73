"""`send`, `send_many` and `send_template`: what they store, and what they refuse before storing anything."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from mailadmin.api import Attachment, InvalidMail, Mail, send, send_many, send_template, template_mail
from mailadmin.delivery.deliver import deliver_these
from mailadmin.tasks import probe_connections
from maillog.content.storage import unpack
from maillog.models import Content, Message, Recipient, Status
from secrets_app.models import Secret
from templates_app.builtin_files import builtin_documents
from templates_app.content.content import Variable
from templates_app.library import publishing
from templates_app.models import Document
from tests.cases import case
from tests.factories import make_user
from tests.templates_app.makers import make_template, saying

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sender(mail_settings):
    return mail_settings(driver="silent", from_address="shop@example.com", from_name="The Shop")


def mail(**fields):
    return Mail(**{"to": ["Ann <ann@example.com>"], "subject": "Hi", "text": "Hello", **fields})


def parsed(number):
    return message_from_bytes(unpack(Content.objects.get(pk=number).mime), policy=policy.default)


def test_a_mail_is_stored_with_its_envelope_and_headers():
    number = send(mail(cc=["bob@example.com"], bcc=["cat@example.com"], reply_to=["help@example.com"]))
    row = Message.objects.get(pk=number)
    assert (row.status, row.subject, row.actor_name) == (Status.QUEUED, "Hi", "")
    assert row.to_text.split() == ["ann@example.com", "bob@example.com", "cat@example.com"]
    message = parsed(number)
    assert message["From"] == "The Shop <shop@example.com>"
    assert (message["To"], message["Cc"], message["Bcc"]) == ("Ann <ann@example.com>", "bob@example.com", None)
    assert message["Reply-To"] == "help@example.com"
    assert message["Message-ID"] == row.message_id
    assert message["Date"]


def test_a_rollback_leaves_nothing_and_wakes_nobody(jobs, django_capture_on_commit_callbacks):
    class Undo(Exception):
        pass

    def send_and_undo():
        with transaction.atomic():
            send(mail())
            raise Undo

    with django_capture_on_commit_callbacks(execute=True), pytest.raises(Undo):
        send_and_undo()
    assert not Message.objects.exists()
    assert jobs.names == []


def test_a_commit_wakes_the_worker(jobs, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        send(mail())
    assert jobs.names == ["deliver_due_mails"]


def test_messages_share_a_wake_up_until_a_worker_takes_it(jobs, django_capture_on_commit_callbacks):
    def send_some() -> None:
        for _ in range(3):
            with django_capture_on_commit_callbacks(execute=True):
                send(mail())

    probe_connections()
    send_some()
    assert jobs.names == ["probe_connections", "deliver_due_mails"]
    while jobs.huey.dequeue():
        pass
    send_some()
    assert jobs.names == ["deliver_due_mails"]


def test_a_queue_that_does_not_answer_loses_no_mail(jobs, monkeypatch, django_capture_on_commit_callbacks):
    def broken(*args, **kwargs):
        raise ConnectionError

    monkeypatch.setattr(jobs.huey.storage, "enqueue", broken)
    with django_capture_on_commit_callbacks(execute=True):
        number = send(mail())
    assert Message.objects.get(pk=number).status == Status.QUEUED


@pytest.mark.both_databases
def test_bad_input_names_the_field_and_stores_nothing():
    table: list[tuple[dict[str, Any], str]] = [
        ({"to": []}, "to"),
        ({"to": ["ann@example.com, bob@example.com"]}, "to"),
        ({"to": ["not an address"]}, "to"),
        ({"to": ["ann@example.com\r\nBcc: eve@example.com"]}, "to"),
        ({"to": [f"p{n}@example.com" for n in range(501)]}, "to"),
        ({"cc": ["@"]}, "cc"),
        ({"bcc": ["x"]}, "bcc"),
        ({"reply_to": ["nobody"]}, "reply_to"),
        ({"from_": "no address"}, "from_"),
        ({"subject": "Hi\r\nBcc: eve@example.com"}, "subject"),
        ({"subject": "Hi\x00"}, "subject"),
        ({"subject": "Hi\u2028there"}, "subject"),
        ({"subject": "x" * 999}, "subject"),
        ({"subject": "half \ud800"}, "subject"),
        ({"text": ""}, "text"),
        ({"text": "half \ud800"}, "text"),
        ({"html": "half \udfff"}, "html"),
        ({"headers": {"Bcc": "eve@example.com"}}, "headers"),
        ({"headers": {"X-A": "b\r\nBcc: eve@example.com"}}, "headers"),
        ({"headers": {"X A": "b"}}, "headers"),
        ({"headers": {f"X-{n}": "b" for n in range(51)}}, "headers"),
        ({"tags": ["a b"]}, "tags"),
        ({"tags": ["a"] * 21}, "tags"),
        ({"metadata": {"a": object()}}, "metadata"),
        ({"metadata": {"a": "x" * 20_000}}, "metadata"),
        ({"metadata": {"a": float("nan")}}, "metadata"),
        ({"language": "not a language"}, "language"),
        ({"mode": "someday"}, "mode"),
        ({"connection_hint": "x" * 101}, "connection_hint"),
        ({"idempotency_key": "x" * 201}, "idempotency_key"),
        ({"idempotency_key": "a\x00"}, "idempotency_key"),
        ({"send_at": datetime(2200, 1, 1, tzinfo=UTC)}, "send_at"),
        ({"attachments": [Attachment(filename="a.bin", content=b"x" * 20_000_000)]}, "attachments"),
    ]
    for fields, named in table:
        with case(named, fields):
            with pytest.raises(InvalidMail) as caught:
                send(mail(**fields))
            assert caught.value.field == named
            assert not Message.objects.exists()


def test_without_any_sender_the_from_field_is_named(mail_settings):
    mail_settings(driver="silent")
    with pytest.raises(InvalidMail) as caught:
        send(mail())
    assert caught.value.field == "from_"


def test_the_connections_own_sender_is_the_last_resort(mail_settings, admin):
    mail_settings(driver="smtp")
    fields = {"host": "h", "port": 25, "tls": "none", "username": "", "sender": "relay@example.com", "verify": True}
    Secret.objects.create(
        kind="smtp",
        name="relay",
        available_to_system=True,
        fields={**fields, "ehlo_name": "", "timeout": 5, "ca_pem": ""},
    )
    assert parsed(send(mail()))["From"] == "relay@example.com"


def test_a_person_without_the_permission_may_not_send(colleague):
    with pytest.raises(PermissionDenied):
        send(mail(), actor=colleague)
    assert not Message.objects.exists()


def test_the_permission_for_tests_covers_only_tests():
    tester = make_user("tester@example.com", "mailadmin.send_test")
    with pytest.raises(PermissionDenied):
        send(mail(), actor=tester)
    number = send(mail(tags=["test"]), actor=tester)
    assert Message.objects.get(pk=number).is_test


def test_the_actor_is_recorded_by_name(admin):
    assert Message.objects.get(pk=send(mail(), actor=admin)).actor_name == str(admin)


@pytest.mark.both_databases
def test_the_same_key_and_the_same_mail_give_the_same_id():
    first = send(mail(idempotency_key="order-1"))
    assert send(mail(idempotency_key="order-1")) == first
    assert Message.objects.count() == 1


@pytest.mark.both_databases
def test_the_same_key_for_another_mail_is_refused():
    send(mail(idempotency_key="order-1"))
    with pytest.raises(InvalidMail) as caught:
        send(mail(idempotency_key="order-1", text="Something else"))
    assert caught.value.field == "idempotency_key"


def test_a_delayed_mail_is_due_later():
    later = timezone.now() + timedelta(hours=2)
    row = Message.objects.get(pk=send(mail(send_at=later, mode="instant")))
    assert (row.next_attempt_at, row.mode) == (later, "background")


@pytest.mark.both_databases
def test_send_many_returns_the_ids_in_order():
    ids = send_many(mail(subject=f"Number {n}") for n in range(1_100))
    subjects = dict(Message.objects.values_list("id", "subject"))
    assert [subjects[number] for number in ids] == [f"Number {n}" for n in range(1_100)]


@pytest.mark.both_databases
def test_send_many_stores_nothing_of_a_chunk_with_a_bad_mail():
    mails = [mail() for _ in range(500)] + [mail(), mail(to=["bad"])]
    with pytest.raises(InvalidMail):
        send_many(mails)
    assert Message.objects.count() == 500


def test_a_template_that_declares_a_secret_makes_a_sensitive_message(admin):
    def is_sensitive(key, *, sensitive=False, **values):
        number = send_template(key, to=["ann@example.com"], values=values, sensitive=sensitive)
        return Message.objects.get(pk=number).is_sensitive

    reset = {"site": "Shop", "reset_url": "https://example.org/r"}
    assert is_sensitive("account/password_reset", **reset)
    content = builtin_documents()["template", "account/password_reset"].content
    undeclared = replace(content, variables=tuple(replace(one, secret=False) for one in content.variables))
    copy = Document.objects.get(kind=Document.Kind.TEMPLATE, project__key="account", key="password_reset")
    publishing.publish(copy, admin, undeclared, "Mine", copy.published)
    assert is_sensitive("account/password_reset", **reset), "an edited copy cannot take it back"
    ours = saying("<p>{{ link }}</p>", variables=[Variable("link", "url", sample="https://example.org/", secret=True)])
    make_template(key="link", content=ours, user=admin)
    assert is_sensitive("shop/link", link="https://example.org/r")
    make_template(key="hello", content=saying("<p>Hello</p>"), user=admin)
    assert not is_sensitive("shop/hello")
    assert is_sensitive("shop/hello", sensitive=True)


def test_a_template_is_rendered_and_recorded():
    values = {"name": "Ann", "site": "Shop", "reset_url": "https://example.org/r"}
    number = send_template("account/password_reset", to=["ann@example.com"], values=values)
    row = Message.objects.select_related("template").get(pk=number)
    assert (row.template.text, row.language, row.is_sensitive) == ("account/password_reset", "en", True)
    text, html = (parsed(number).get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "\nhttps://example.org/r\n" in text.replace("\r\n", "\n")
    assert 'href="https://example.org/r"' in html


def test_a_missing_value_of_a_template_is_named_before_anything_is_stored():
    with pytest.raises(InvalidMail, match="reset_url"):
        send_template("account/password_reset", to=["ann@example.com"], values={"name": "Ann", "site": "Shop"})
    assert not Message.objects.exists()


def test_always_to_redirects_everything_and_keeps_the_record(mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com", always_to="staging@example.org")
    number = send(mail(cc=["bob@example.com"]))
    outcomes = dict(Recipient.objects.filter(message=number).values_list("search_address", "outcome"))
    assert outcomes == {"ann@example.com": "skipped", "bob@example.com": "skipped", "staging@example.org": "open"}
    assert parsed(number)["To"] == "Ann <ann@example.com>"


def test_recipients_off_the_allow_list_are_left_out(mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com", allowed_recipients=("*@example.org",))
    number = send(mail(cc=["bob@example.org"]))
    outcomes = dict(Recipient.objects.filter(message=number).values_list("search_address", "outcome"))
    assert outcomes == {"ann@example.com": "skipped", "bob@example.org": "open"}


def test_a_mail_with_nobody_left_is_skipped_with_the_reason(mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com", allowed_recipients=("*@example.org",))
    row = Message.objects.get(pk=send(mail()))
    assert row.status == Status.SKIPPED
    assert "MAIL_ALLOWED_RECIPIENTS" in row.reason


# ---------------------------------------------------------------- templates and their values


def refusal(key="account/sign_in_code", values=None, **fields):
    with pytest.raises(InvalidMail) as caught:
        send_template(key, to=["ann@example.com"], values={} if values is None else values, **fields)
    assert not Message.objects.exists()
    return caught.value


def test_all_values_that_are_missing_or_of_a_wrong_type_are_named_at_once():
    error = refusal(values={"code": 1234, "valid_minutes": "ten", "secure_url": "javascript:alert(1)"})
    assert error.field == "values"
    assert error.reason == (
        "The value code must be text, not a number. The value valid_minutes must be a number, not this text. "
        "The value happened_at is missing. "
        "The value secure_url must be an address that starts with https:// or http://, not this text."
    )


def test_what_is_given_under_a_wrong_name_is_named_beside_what_is_missing():
    error = refusal("mail/test", {"sight": "x", "asked_by": "y", "connection": "z", "time": "t"})
    assert error.reason == "The value site is missing; given, but not known to the template: sight."


def test_a_template_that_is_not_there_is_the_templates_fault():
    for key in ["account/nowhere", "", "welcome", "account/welcome/", "a" * 300, None, 3, "\x00/\x00"]:
        assert refusal(key).field == "template", key


def test_values_that_are_no_mapping_are_refused():
    for values in ["name", ["name"], 3, b"x"]:
        assert refusal(values=values).field == "values", values


def test_values_that_are_not_plain_data_are_named():
    for value in [object(), {1: 2}, {1}, b"x", float("nan"), 10**30, "\ud800", "\x00"]:
        with case(value):
            error = refusal("mail/notification", {"title": value, "message": "x"})
            assert (error.field, "The value title" in error.reason) == ("values", True)


def test_a_language_that_is_no_text_is_refused():
    assert refusal(language=3).field == "language"


def test_a_language_that_the_template_lacks_gives_way_to_its_default():
    values = {"title": "Hi", "message": "There"}
    assert template_mail("mail/notification", to=["ann@example.com"], values=values, language="fr").language == "en"
    assert template_mail("mail/notification", to=["ann@example.com"], values=values, language="de-AT").language == "de"


def test_a_mail_from_a_template_is_nothing_but_a_mail_until_it_is_sent():
    mail = template_mail("mail/notification", to=["ann@example.com"], values={"title": "Hi", "message": "There"})
    assert not Message.objects.exists()
    number = send(mail)
    row = Message.objects.get(pk=number)
    assert (row.template.text, row.template_version) == ("mail/notification", 1)


@pytest.mark.parametrize("version", ["1", 1.0, True])
def test_the_version_of_a_template_is_a_number(version):
    with pytest.raises(InvalidMail, match="template_version"):
        mail(template_version=version)


def test_a_message_for_later_is_dated_when_it_is_due_and_its_message_id_stays(mail_settings, start_smtp):
    server = start_smtp()
    mail_settings(**server.fields, from_address="shop@example.com", timeout=30)
    later = timezone.now().replace(microsecond=0) + timedelta(days=5)
    number = send(mail(send_at=later))
    assert parsed(number)["Date"].datetime == later
    stored = Message.objects.get(pk=number).message_id
    Message.objects.update(next_attempt_at=timezone.now())
    deliver_these([number])
    assert f"Message-ID: {stored}".encode() in server.mails[0].content
    assert abs(parsed(send(mail()))["Date"].datetime - timezone.now()) < timedelta(minutes=1)


def test_a_hint_that_names_no_connection_is_refused_by_name(mail_settings, admin, start_smtp):
    server = start_smtp()
    mail_settings(**server.fields, from_address="shop@example.com", timeout=30)
    with pytest.raises(InvalidMail, match="connection_hint") as refused:
        send_many([mail(), mail(connection_hint="zzz")])
    assert (refused.value.field, refused.value.position) == ("connection_hint", 1)
    assert not Message.objects.exists()
    for hint in ("environment", "Environment", ""):
        send(mail(connection_hint=hint, mode="background"))
    mail_settings(driver="silent", from_address="shop@example.com")
    send(mail(connection_hint="zzz"))
