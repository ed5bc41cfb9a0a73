"""Sending through the HTTP API: single messages, batches, idempotency."""

import base64
import json
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.utils import timezone

from mailadmin import api
from mailadmin.message.mail import Mail
from maillog.content.storage import unpack
from maillog.models import Content, Message
from templates_app.rendering import RenderedMail
from tests.cases import case, rolled_back
from tests.factories import make_admin, make_user
from tests.mailadmin.http_api.programs import MAIL, fields, program

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(db, mail_settings):
    """A program with every scope, whose key belongs to an administrator. The driver is `silent`."""
    mail_settings(driver="silent", from_address="shop@example.com", from_name="The Shop")
    return program(make_admin())


def read(number):
    return message_from_bytes(unpack(Content.objects.get(pk=number).mime), policy=policy.default)


# ---------------------------------------------------------------- sending


def test_a_message_is_stored_and_its_url_returned(shop):
    response = shop.post("/mails", MAIL)
    assert response.status_code == 202
    row = Message.objects.get()
    assert response.json() == {"id": row.pk, "status": "queued"}
    assert response["Location"] == f"/api/v1/mails/{row.pk}"
    assert (row.subject, row.to_text, row.actor) == ("Hi", "ann@example.com", shop.owner)
    assert shop.get(response["Location"].removeprefix("/api/v1")).status_code == 200


def test_every_field_of_a_message_arrives(shop):
    response = shop.post(
        "/mails",
        {
            **MAIL,
            "cc": ["bob@example.com"],
            "bcc": ["cat@example.com"],
            "reply_to": ["help@example.com"],
            "from": "Sales <sales@example.com>",
            "html": '<p>Hello <img src="cid:logo@x"></p>',
            "headers": {"X-Campaign": "spring"},
            "attachments": [
                {"filename": "a.pdf", "content": base64.b64encode(b"%PDF").decode()},
                {"filename": "l.png", "content": base64.b64encode(b"PNG").decode(), "content_id": "logo@x"},
            ],
            "tags": ["order"],
            "metadata": {"order": 17},
            "language": "de",
            "sensitive": True,
            "send_at": (timezone.now() + timedelta(hours=1)).isoformat(),
        },
    )
    assert response.status_code == 202, response.content
    number = response.json()["id"]
    mail, row = read(number), Message.objects.get()
    assert (mail["From"], mail["Cc"], mail["Bcc"]) == ("Sales <sales@example.com>", "bob@example.com", None)
    assert (mail["Reply-To"], mail["X-Campaign"]) == ("help@example.com", "spring")
    assert sorted(part.get_filename() for part in mail.walk() if part.get_filename()) == ["a.pdf", "l.png"]
    assert (row.tags, row.language, row.is_sensitive, row.has_attachment) == ("order", "de", True, True)
    assert row.next_attempt_at > timezone.now() + timedelta(minutes=50)
    assert Content.objects.get().metadata == {"order": 17}


def test_the_status_of_an_instant_message_is_its_result(shop, transactional_db):
    assert shop.post("/mails", {**MAIL, "mode": "instant"}).json()["status"] == "silenced"


def test_a_template_is_rendered_in_the_language_that_was_asked_for(shop):
    values = {"name": "Ann", "email": "ann@example.com", "sign_in_url": "https://example.com/"}
    response = shop.post(
        "/mails", {"to": ["ann@example.com"], "template": "account/welcome", "values": values, "language": "de"}
    )
    assert response.status_code == 202, response.content
    row = Message.objects.select_related("template").get()
    assert (row.template.text, row.language) == ("account/welcome", "de")
    assert "Ann" in read(row.pk).get_body(("plain",)).get_content()


@pytest.mark.both_databases
def test_an_invalid_field_is_named_and_nothing_is_stored(shop):
    table: list[tuple[dict[str, Any], str, str]] = [
        ({"to": []}, "to", "names no recipient"),
        ({"to": "ann@example.com"}, "to", "must be a list"),
        ({"to": [5]}, "to[0]", "must be text"),
        ({"to": ["ann"]}, "to", ""),
        ({"subject": "a\nb"}, "subject", ""),
        ({"subject": None}, "subject", "must be text"),
        ({"text": ""}, "text", "is empty, and there is no HTML and no attachment either"),
        ({"text": "\ud800"}, "text", ""),
        ({"from": "nobody"}, "from", ""),
        ({"colour": "red"}, "colour", "is not a known field"),
        ({"headers": {"X-A": 5}}, "headers.X-A", "must be text"),
        ({"headers": {"From": "x@example.com"}}, "headers", ""),
        ({"attachments": [{"filename": "a.txt"}]}, "attachments[0].content", "is missing"),
        ({"attachments": [{"filename": "a.txt", "content": "!"}]}, "attachments[0].content", "is not base64"),
        (
            {"attachments": [{"filename": "../a", "content": "YQ=="}]},
            "attachments[0]",
            "file name must not contain a path",
        ),
        ({"metadata": []}, "metadata", "must be an object"),
        ({"metadata": {"a": "\x00"}}, "metadata", "holds a NUL character, which PostgreSQL does not store"),
        ({"send_at": "tomorrow"}, "send_at", "must be a time such as 2026-11-26T08:00:00Z"),
        ({"send_at": "2026-11-26T08:00:00"}, "send_at", "must be a time with a time zone"),
        ({"metadata": json.loads('{"a":' * 21 + "1" + "}" * 21)}, "metadata", "is nested more than 20 levels deep"),
        ({"metadata": {"a": json.loads("[" * 400 + "]" * 400)}}, "metadata", "is nested more than 20 levels deep"),
        ({"template": "\ud800", "subject": "", "text": ""}, "template", ""),
        ({"mode": "later"}, "mode", "must be 'instant' or 'background'"),
        ({"sensitive": "yes"}, "sensitive", "must be true or false"),
        ({"values": {"a": 1}}, "values", "require a template"),
        ({"template": "account/welcome"}, "subject", "cannot be combined with a template"),
        ({"idempotency_key": "k" * 151}, "idempotency_key", "is longer than 150 characters"),
        ({"tags": ["two words"]}, "tags", ""),
    ]
    for change, field, detail in table:
        with case(change):
            found = fields(shop.post("/mails", {**MAIL, **change}))
            assert found[0][0] == field
            assert found[0][1] == detail if detail else found[0][1]
            assert not Message.objects.exists()


def test_values_that_a_template_lacks_are_named(shop):
    ((field, detail),) = fields(shop.post("/mails", {"to": ["a@example.com"], "template": "account/welcome"}))
    assert field == "values"
    assert detail == "The value email is missing. The value sign_in_url is missing."
    ((field, detail),) = fields(shop.post("/mails", {"to": ["a@example.com"], "template": "shop/none"}))
    assert field == "template"


# ---------------------------------------------------------------- once only


def test_a_repeated_request_returns_the_same_message(shop):
    first = shop.post("/mails", MAIL, idempotency_key="order-17")
    for key in ("order-17", '"order-17"'):
        assert shop.post("/mails", MAIL, idempotency_key=key).json() == first.json()
    assert Message.objects.count() == 1
    assert shop.post("/mails", {**MAIL, "idempotency_key": "order-17"}).json() == first.json()


def test_an_idempotency_key_of_another_message_is_refused(shop):
    shop.post("/mails", MAIL, idempotency_key="order-17")
    refused = shop.post("/mails", {**MAIL, "subject": "Other"}, idempotency_key="order-17")
    assert fields(refused) == [("idempotency_key", "was used before, for another message")]
    assert Message.objects.count() == 1
    two = shop.post("/mails", {**MAIL, "idempotency_key": "b"}, idempotency_key="a")
    assert fields(two) == [("idempotency_key", "differs from the header Idempotency-Key")]


def test_an_idempotency_key_of_a_message_scheduled_for_another_time_is_refused(shop):
    shop.post("/mails", MAIL, idempotency_key="1")
    for change in ({"send_at": "2026-12-24T08:00:00Z"}, {"tags": ["a"]}, {"sensitive": True}, {"metadata": {"a": 1}}):
        refused = shop.post("/mails", {**MAIL, **change}, idempotency_key="1")
        assert fields(refused) == [("idempotency_key", "was used before, for another message")], change


def test_a_template_published_in_between_does_not_make_a_repetition_another_message(shop, monkeypatch):
    values = {"email": "ann@example.com", "sign_in_url": "https://example.com/"}
    body = {"to": ["ann@example.com"], "template": "account/welcome", "values": values}
    first = shop.post("/mails", body, idempotency_key="1").json()
    monkeypatch.setattr(
        "mailadmin.api.render", lambda key, values, language: RenderedMail(key, "en", "Other", "Other", "", 2)
    )
    assert shop.post("/mails", body, idempotency_key="1").json() == first


def test_idempotency_keys_of_different_people_are_separate(shop):
    other = program(make_user("bob@example.com", "mailadmin.use_api", "mailadmin.send_mail"))
    first = shop.post("/mails", MAIL, idempotency_key="1").json()
    second = other.post("/mails", {**MAIL, "subject": "Other"}, idempotency_key="1").json()
    assert second["id"] != first["id"]


def test_idempotency_keys_of_programs_and_of_the_site_itself_are_separate(shop):
    numbers = {shop.post("/mails", MAIL, idempotency_key="order-1").json()["id"]}
    for key in ("order-1", f"{shop.owner.pk}:order-1"):
        numbers.add(api.send(Mail(to=["ann@example.com"], subject="S", text="T", idempotency_key=key)))
    assert len(numbers) == 3


def test_the_digest_of_a_message_cannot_be_compared_with_guesses(shop, settings):
    """A sensitive message's content is deleted; a digest of it would give a code of six digits away."""
    digests = set()
    for site in ("one", "another"):
        settings.SECRET_KEY = site
        with rolled_back(site):
            shop.post("/mails", MAIL, idempotency_key="1")
            digests.add(Message.objects.get().fingerprint)
    assert len(digests) == 2


def test_two_keys_of_one_person_share_their_idempotency_keys(shop):
    """A key that is replaced between a request and its repetition sends nothing twice."""
    first = shop.post("/mails", MAIL, idempotency_key="1").json()
    assert program(shop.owner).post("/mails", MAIL, idempotency_key="1").json() == first


# ---------------------------------------------------------------- many


def test_a_batch_is_stored_in_its_order(shop):
    response = shop.post("/mails/batch", {"mails": [{**MAIL, "subject": f"No. {number}"} for number in range(30)]})
    assert response.status_code == 202
    told = response.json()["mails"]
    assert [Message.objects.get(pk=one["id"]).subject for one in told] == [f"No. {number}" for number in range(30)]
    assert {one["status"] for one in told} == {"queued"}


def test_one_invalid_message_stores_none_of_the_batch(shop):
    table: list[tuple[dict[str, Any], str]] = [
        ({"to": ["ann"]}, "mails[1].to"),
        ({"to": [1]}, "mails[1].to[0]"),
        ({"text": ""}, "mails[1].text"),
        ({"values": {"a": 1}}, "mails[1].values"),
        ({"template": "shop/none", "subject": "", "text": ""}, "mails[1].template"),
        ({"attachments": [{"filename": "a", "content": "?"}]}, "mails[1].attachments[0].content"),
        ({"idempotency_key": "a"}, "mails[1].idempotency_key"),
    ]
    for wrong, field in table:
        with case(wrong):
            mails = [{**MAIL, "subject": "First", "idempotency_key": "a"}, {**MAIL, **wrong}, MAIL]
            assert fields(shop.post("/mails/batch", {"mails": mails}))[0][0] == field
            assert not Message.objects.exists()


@pytest.mark.parametrize("count", [0, 501])
def test_a_batch_has_one_to_five_hundred_mails(shop, count):
    assert fields(shop.post("/mails/batch", {"mails": [MAIL] * count}))[0][0] == "mails"
