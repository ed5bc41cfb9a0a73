"""The HTTP API: who gets in, what mails become of requests, and what is said where something is wrong."""

import base64
import json
from datetime import timedelta
from email import message_from_bytes, policy
from types import SimpleNamespace

import pytest
from django.test import Client
from django.utils import timezone

from mailadmin import api_keys, resending
from mailadmin.http_api.site import description
from mailadmin.key_models import ApiKey, Scope
from maillog.content import unpack
from maillog.models import Content, Message
from maillog.recording import RecipientOutcome, claim_these, settle
from templates_app.rendering import RenderedMail
from tests.factories import make_admin, make_user
from tests.mailadmin.programs import program
from tests.maillog.makers import LEASE, attempt, claimed, finished, queued, settlement

pytestmark = pytest.mark.django_db

MAIL = {"to": ["Ann <ann@example.com>"], "subject": "Hi", "text": "Hello"}


@pytest.fixture(autouse=True)
def sender(mail_settings):
    return mail_settings(driver="silent", from_address="shop@example.com", from_name="The Shop")


@pytest.fixture
def shop(db):
    """A program with every scope, whose key belongs to an administrator."""
    return program(make_admin())


def read(number):
    return message_from_bytes(unpack(Content.objects.get(pk=number).mime), policy=policy.default)


def problem(response, status):
    """Return what a refusal says, which is a problem detail."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    found = response.json()
    assert found["status"] == status
    assert found["title"]
    assert found["detail"].endswith((".", "!", "?", "…")), found["detail"]
    return found


def fields(response):
    return [(one["field"], one["detail"]) for one in problem(response, 422)["errors"]]


# ---------------------------------------------------------------- sending


def test_a_mail_is_stored_and_told_where_it_is(shop):
    response = shop.post("/mails", MAIL)
    assert response.status_code == 202
    row = Message.objects.get()
    assert response.json() == {"id": row.pk, "status": "queued"}
    assert response["Location"] == f"/api/v1/mails/{row.pk}"
    assert (row.subject, row.to_text, row.actor) == ("Hi", "ann@example.com", shop.owner)
    assert shop.get(response["Location"].removeprefix("/api/v1")).status_code == 200


def test_everything_that_a_mail_has_arrives(shop):
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


def test_an_instant_mail_is_told_as_delivered(shop, transactional_db):
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


@pytest.mark.parametrize(
    ("change", "field", "detail"),
    [
        ({"to": []}, "to", "names nobody"),
        ({"to": "ann@example.com"}, "to", "must be a list"),
        ({"to": [5]}, "to[0]", "must be text"),
        ({"to": ["ann"]}, "to", ""),
        ({"subject": "a\nb"}, "subject", ""),
        ({"subject": None}, "subject", "must be text"),
        ({"text": ""}, "text", "is empty, and there is no HTML and no attachment either"),
        ({"text": "\ud800"}, "text", ""),
        ({"from": "nobody"}, "from", ""),
        ({"colour": "red"}, "colour", "is not known here"),
        ({"headers": {"X-A": 5}}, "headers.X-A", "must be text"),
        ({"headers": {"From": "x@example.com"}}, "headers", ""),
        ({"attachments": [{"filename": "a.txt"}]}, "attachments[0].content", "is missing"),
        ({"attachments": [{"filename": "a.txt", "content": "!"}]}, "attachments[0].content", "is not base64"),
        (
            {"attachments": [{"filename": "../a", "content": "YQ=="}]},
            "attachments[0]",
            "file name must not hold a path",
        ),
        ({"metadata": []}, "metadata", "must be an object"),
        ({"metadata": {"a": "\x00"}}, "metadata", "holds a NUL character, which PostgreSQL does not store"),
        ({"send_at": "tomorrow"}, "send_at", "must be a moment such as 2026-11-26T08:00:00Z"),
        ({"send_at": "2026-11-26T08:00:00"}, "send_at", "must be a time with a time zone"),
        ({"metadata": json.loads('{"a":' * 21 + "1" + "}" * 21)}, "metadata", "is nested more than 20 levels deep"),
        ({"metadata": {"a": json.loads("[" * 400 + "]" * 400)}}, "metadata", "is nested more than 20 levels deep"),
        ({"template": "\ud800", "subject": "", "text": ""}, "template", ""),
        ({"mode": "later"}, "mode", "must be 'instant' or 'background'"),
        ({"sensitive": "yes"}, "sensitive", "must be true or false"),
        ({"values": {"a": 1}}, "values", "are for a template, and none is named"),
        ({"template": "account/welcome"}, "subject", "comes from the template; leave it out"),
        ({"idempotency_key": "k" * 151}, "idempotency_key", "is longer than 150 characters"),
        ({"tags": ["two words"]}, "tags", ""),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else None,
)
def test_what_is_wrong_with_a_mail_is_named_and_nothing_is_stored(shop, change, field, detail):
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


def test_a_repeated_request_is_told_the_same_mail(shop):
    first = shop.post("/mails", MAIL, idempotency_key="order-17")
    for key in ("order-17", '"order-17"'):
        assert shop.post("/mails", MAIL, idempotency_key=key).json() == first.json()
    assert Message.objects.count() == 1
    assert shop.post("/mails", {**MAIL, "idempotency_key": "order-17"}).json() == first.json()


def test_a_key_of_another_mail_is_refused(shop):
    shop.post("/mails", MAIL, idempotency_key="order-17")
    refused = shop.post("/mails", {**MAIL, "subject": "Other"}, idempotency_key="order-17")
    assert fields(refused) == [("idempotency_key", "was used before, for another mail")]
    assert Message.objects.count() == 1
    two = shop.post("/mails", {**MAIL, "idempotency_key": "b"}, idempotency_key="a")
    assert fields(two) == [("idempotency_key", "is not the one of the header Idempotency-Key")]


def test_a_key_of_a_mail_that_is_to_leave_at_another_time_is_refused(shop):
    shop.post("/mails", MAIL, idempotency_key="1")
    for change in ({"send_at": "2026-12-24T08:00:00Z"}, {"tags": ["a"]}, {"sensitive": True}, {"metadata": {"a": 1}}):
        refused = shop.post("/mails", {**MAIL, **change}, idempotency_key="1")
        assert fields(refused) == [("idempotency_key", "was used before, for another mail")], change


def test_a_template_that_is_published_meanwhile_does_not_make_a_repetition_another_mail(shop, monkeypatch):
    values = {"email": "ann@example.com", "sign_in_url": "https://example.com/"}
    body = {"to": ["ann@example.com"], "template": "account/welcome", "values": values}
    first = shop.post("/mails", body, idempotency_key="1").json()
    monkeypatch.setattr(
        "mailadmin.api.render", lambda key, values, language: RenderedMail(key, "en", "Other", "Other", "", 2)
    )
    assert shop.post("/mails", body, idempotency_key="1").json() == first


def test_keys_of_different_people_are_apart(shop):
    other = program(make_user("bob@example.com", "mailadmin.use_api", "mailadmin.send_mail"))
    first = shop.post("/mails", MAIL, idempotency_key="1").json()
    second = other.post("/mails", {**MAIL, "subject": "Other"}, idempotency_key="1").json()
    assert second["id"] != first["id"]


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


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"to": ["ann"]}, "mails[1].to"),
        ({"to": [1]}, "mails[1].to[0]"),
        ({"text": ""}, "mails[1].text"),
        ({"values": {"a": 1}}, "mails[1].values"),
        ({"template": "shop/none", "subject": "", "text": ""}, "mails[1].template"),
        ({"attachments": [{"filename": "a", "content": "?"}]}, "mails[1].attachments[0].content"),
        ({"idempotency_key": "a"}, "mails[1].idempotency_key"),
    ],
)
def test_one_wrong_mail_stores_none_of_the_batch(shop, wrong, field):
    mails = [{**MAIL, "subject": "First", "idempotency_key": "a"}, {**MAIL, **wrong}, MAIL]
    assert fields(shop.post("/mails/batch", {"mails": mails}))[0][0] == field
    assert not Message.objects.exists()


@pytest.mark.parametrize("count", [0, 501])
def test_a_batch_has_one_to_five_hundred_mails(shop, count):
    assert fields(shop.post("/mails/batch", {"mails": [MAIL] * count}))[0][0] == "mails"


# ---------------------------------------------------------------- looking


def test_the_log_is_searched_as_on_its_page(shop):
    failed = finished("failed", "bob@example.com", subject="An invoice").pk
    finished("sent", "ann@example.com")
    found = shop.get("/mails", q="status:failed to:bob@").json()
    assert ([one["id"] for one in found["mails"]], found["next"]) == ([failed], None)
    mail = found["mails"][0]
    assert (mail["to"], mail["from"], mail["subject"]) == (["bob@example.com"], "shop@example.com", "An invoice")
    assert (mail["driver"], mail["connection"], mail["status"]) == ("smtp", "Relay A", "failed")


def test_pages_follow_one_another_both_ways(shop):
    numbers = [queued() for _ in range(5)]
    seen, place = [], "/mails?limit=2&q=invoice"
    while place:
        page = shop.get(place.removeprefix("/api/v1")).json()
        seen.append([one["id"] for one in page["mails"]])
        place = page["next"]
    assert seen == [numbers[:2:-1], numbers[2:0:-1], numbers[:1]]
    page = shop.get("/mails", after=numbers[0], limit=2).json()
    assert [one["id"] for one in page["mails"]] == numbers[1:3]
    assert page["next"] == f"/api/v1/mails?limit=2&after={numbers[2]}"
    assert shop.get("/mails", after=numbers[4]).json() == {"mails": [], "next": None}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"q": "colour:red"}, "q"),
        ({"q": "before:someday"}, "q"),
        ({"q": "x" * 5000}, "q"),
        ({"limit": "many"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"before": "-1"}, "before"),
        ({"before": str(2**63)}, "before"),
        ({"before": "1", "after": "1"}, "after"),
        ({"status": "failed"}, "status"),
    ],
)
def test_what_is_wrong_with_a_search_is_said(shop, query, field):
    assert fields(shop.get("/mails", **query))[0][0] == field


def test_a_mail_is_told_with_its_recipients_and_attempts(shop):
    number = queued("ann@example.com", "bob@example.com", template="account/welcome", template_version=3)
    mail = claimed(number)
    outcomes = [
        RecipientOutcome(id=mail.recipients[0].id, outcome="accepted", code=250, enhanced_code="2.1.5", reply="ok"),
        RecipientOutcome(id=mail.recipients[1].id, outcome="refused", code=550, enhanced_code="5.1.1", reply="no"),
    ]
    settle([settlement(mail, "failed", recipients=outcomes, attempt=attempt(outcome="partial"), reason="550 no")])
    told = shop.get(f"/mails/{number}").json()
    assert (told["status"], told["reason"], told["template"]) == ("failed", "550 no", "account/welcome")
    assert (told["template_version"], told["tries"]) == (3, 1)
    assert [(one["address"], one["outcome"], one["code"]) for one in told["recipients"]] == [
        ("ann@example.com", "accepted", 250),
        ("bob@example.com", "refused", 550),
    ]
    (one,) = told["attempts"]
    assert (one["outcome"], one["driver"], one["connection"], one["tls"]) == ("partial", "smtp", "Relay A", "TLSv1.3")
    assert "mime" not in json.dumps(told)


def test_a_mail_that_is_being_sent_is_not_said_to_be_due(shop):
    number = queued()
    assert shop.get(f"/mails/{number}").json()["next_attempt_at"]
    claim_these([number], lease=LEASE, worker="test")
    told = shop.get(f"/mails/{number}").json()
    assert (told["status"], told["next_attempt_at"]) == ("sending", None)


@pytest.mark.parametrize("number", [0, 999, 10**18, 10**30])
def test_a_mail_that_there_is_not(shop, number):
    problem(shop.get(f"/mails/{number}"), 404)


# ---------------------------------------------------------------- acting


def test_a_mail_is_sent_again_as_a_new_one(shop):
    old = finished("failed", actor=shop.owner)
    response = shop.post(f"/mails/{old.pk}/resend")
    assert response.status_code == 202, response.content
    new = Message.objects.get(pk=response.json()["id"])
    assert (new.repeats, new.to_text) == (old.pk, "ann@example.com")
    other = shop.post(f"/mails/{old.pk}/resend", {"to": "Zoë <zoe@example.com>"}).json()
    assert Message.objects.get(pk=other["id"]).to_text == "zoe@example.com"
    assert fields(shop.post(f"/mails/{old.pk}/resend", {"to": "zoe"}))[0][0] == "to"


def test_what_cannot_be_sent_again_says_why(shop):
    assert "has not ended" in problem(shop.post(f"/mails/{queued()}/resend"), 409)["detail"]
    sensitive = finished("sent", is_sensitive=True)
    assert problem(shop.post(f"/mails/{sensitive.pk}/resend"), 409)["detail"] == resending.SENSITIVE


def test_a_fresh_link_takes_the_place_of_an_old_one(shop):
    user = make_user("cat@example.com")
    old = finished("sent", user.email, template="account/password_reset", is_sensitive=True)
    refused = shop.post(f"/mails/{old.pk}/resend", {"to": "eve@example.com"})
    assert fields(refused)[0][0] == "to"
    new = Message.objects.get(pk=shop.post(f"/mails/{old.pk}/resend").json()["id"])
    assert (new.to_text, new.repeats) == (user.email, old.pk)


def test_to_another_address_only_for_those_who_may_see_what_mails_say(db):
    owner = make_user("bob@example.com", "mailadmin.use_api", "maillog.view_log", "maillog.resend_mail")
    old, shop = finished("sent"), program(owner)
    problem(shop.post(f"/mails/{old.pk}/resend", {"to": "bob@example.com"}), 403)
    assert shop.post(f"/mails/{old.pk}/resend").status_code == 202


def test_a_mail_that_waits_is_cancelled(shop):
    number = queued()
    assert shop.post(f"/mails/{number}/cancel").json() == {"id": number, "status": "cancelled"}
    row = Message.objects.get()
    assert row.reason == f"Cancelled by {shop.owner}."
    problem(shop.post(f"/mails/{number}/cancel"), 409)


# ---------------------------------------------------------------- templates


def test_templates_are_listed_with_what_they_take(shop):
    told, place = [], "/templates?limit=7"
    while place:
        page = shop.get(place.removeprefix("/api/v1")).json()
        told += page["templates"]
        place = page["next"]
    keys = [one["key"] for one in told]
    assert keys == sorted(keys)
    assert len(keys) == 16
    welcome = next(one for one in told if one["key"] == "account/welcome")
    assert welcome["languages"] == ["en", "de"]
    assert {one["name"]: one["required"] for one in welcome["variables"]} == {
        "name": False,
        "email": True,
        "sign_in_url": True,
        "help_url": False,
    }
    assert welcome["version"] == 1


def test_a_template_is_rendered_and_nothing_sent(shop):
    values = {"name": "<Ann>", "email": "ann@example.com", "sign_in_url": "https://example.com/"}
    told = shop.post("/templates/account/welcome/render", {"values": values, "language": "de-AT"}).json()
    assert told["language"] == "de"
    assert "&lt;Ann&gt;" in told["html"]
    assert "<Ann>" in told["text"]
    assert not Message.objects.exists()
    assert fields(shop.post("/templates/account/welcome/render", {}))[0][0] == "values"
    problem(shop.post("/templates/shop/none/render", {}), 404)
    problem(shop.post("/templates/no key at all/render", {}), 404)


# ---------------------------------------------------------------- who gets in

OPERATIONS = [
    (Scope.SEND, "post", "/mails"),
    (Scope.SEND, "post", "/mails/batch"),
    (Scope.READ, "get", "/mails"),
    (Scope.READ, "get", "/mails/1"),
    (Scope.RESEND, "post", "/mails/1/resend"),
    (Scope.CANCEL, "post", "/mails/1/cancel"),
    (Scope.TEMPLATES, "get", "/templates"),
    (Scope.TEMPLATES, "post", "/templates/account/welcome/render"),
]


def test_the_list_of_operations_is_whole():
    found = {
        (one["security"][0]["key"][0], method, path)
        for path, methods in description()["paths"].items()
        for method, one in methods.items()
    }
    wanted = set()
    for scope, method, path in OPERATIONS:
        template = path.replace("/1", "/{mail_id}").replace("/account/welcome", "/{key}")
        wanted.add((str(scope), method, f"/api/v1{template}"))
    assert found == wanted


@pytest.mark.parametrize(("scope", "method", "path"), OPERATIONS)
def test_a_session_opens_nothing(admin_client, scope, method, path):
    found = problem(getattr(admin_client, method)(f"/api/v1{path}"), 401)
    assert "Authorization: Bearer" in found["detail"]


@pytest.mark.parametrize(("scope", "method", "path"), OPERATIONS)
def test_every_other_scope_together_does_not_open_it(admin, scope, method, path):
    shop = program(admin, scopes=set(Scope) - {scope})
    response = shop.ask(method, path)
    assert str(scope) in problem(response, 403)["detail"]
    assert 'error="insufficient_scope"' in response["WWW-Authenticate"]


@pytest.mark.parametrize(("scope", "method", "path"), OPERATIONS)
def test_the_owner_must_be_permitted_to_do_the_same(db, scope, method, path):
    everything = {one for needs in api_keys.NEEDS.values() for one in needs}
    for missing in api_keys.NEEDS[scope]:
        owner = make_user(f"{missing}@example.com", "mailadmin.use_api", *(everything - {missing}))
        assert missing in problem(program(owner).ask(method, path), 403)["detail"]
    owner = make_user("bob@example.com", "mailadmin.use_api", *api_keys.NEEDS[scope])
    assert program(owner, scopes=[scope]).ask(method, path).status_code not in {401, 403}


def refused(shop):
    response = shop.get("/mails")
    assert response["WWW-Authenticate"].startswith('Bearer realm="Mailadmin"')
    return problem(response, 401)["detail"]


def test_a_key_that_is_over_opens_nothing(admin):
    shop = program(admin)
    assert shop.get("/mails").status_code == 200
    api_keys.revoke(shop.stored, by=admin)
    assert refused(shop) == "This key was revoked."
    shop = program(admin)
    ApiKey.objects.filter(pk=shop.stored.pk).update(expires_at=timezone.now())
    assert refused(shop) == "This key has expired."


def test_an_owner_who_is_out_takes_the_keys_along(db):
    owner = make_user("bob@example.com", "mailadmin.use_api", "maillog.view_log")
    shop = program(owner)
    assert shop.get("/mails").status_code == 200
    owner.is_active = False
    owner.save()
    assert "may not use the API" in refused(shop)
    owner.is_active = True
    owner.save()
    owner.user_permissions.clear()
    assert "may not use the API" in refused(shop)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer mk_" + "x" * 43, "Bearer ' OR 1=1", "Bearer \u00e4", "Basic YTpi", "Bearer " * 9],
)
def test_what_is_no_key_opens_nothing(header):
    response = Client().get("/api/v1/mails", headers={"Authorization": header} if header else {})
    problem(response, 401)


def test_the_key_itself_is_stored_nowhere(shop):
    row = ApiKey.objects.get()
    assert len(row.hint) == 7
    assert shop.key.startswith(row.hint)
    stored = " ".join(str(value) for value in ApiKey.objects.values_list().get())
    assert shop.key[7:] not in stored


def test_use_is_noted_once_a_minute(shop, django_assert_num_queries):
    assert ApiKey.objects.get().used_at is None
    shop.get("/mails/1")
    used = ApiKey.objects.get().used_at
    assert used is not None
    shop.get("/mails/1")
    assert ApiKey.objects.get().used_at == used


# ---------------------------------------------------------------- bodies and addresses that are wrong


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"to": NaN}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"metadata": {"a": ' + b"9" * 5000 + b"}}", "application/json", 400),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b"5", "application/json", 422),
        (b"", "application/json", 422),
        (b"to=a", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
    ],
    ids=lambda value: value[:12].decode("latin-1") if isinstance(value, bytes) else None,
)
def test_a_body_that_cannot_be_read(shop, body, kind, status):
    response = shop.client.post("/api/v1/mails", body, content_type=kind, headers=shop.headers)
    problem(response, status)


def test_a_body_that_is_too_large_is_refused_before_it_is_read(shop):
    response = shop.client.post(
        "/api/v1/mails", b"{}", content_type="application/json", headers=shop.headers, CONTENT_LENGTH="99000000"
    )
    assert "larger" in problem(response, 413)["detail"]
    nobody = Client().post("/api/v1/mails", b"{}", content_type="application/json", CONTENT_LENGTH="99000000")
    problem(nobody, 401)


def test_a_body_of_unknown_length_is_refused(shop):
    extra = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    response = shop.client.post("/api/v1/mails", b"", content_type="application/json", headers=shop.headers, **extra)
    problem(response, 411)


def test_a_mail_may_be_larger_than_a_form(shop):
    content = base64.b64encode(bytes(8_000_000)).decode()
    response = shop.post("/mails", {**MAIL, "attachments": [{"filename": "a.bin", "content": content}]})
    assert response.status_code == 202
    assert Message.objects.get().size > 8_000_000
    content = base64.b64encode(bytes(25_000_000)).decode()
    response = shop.post("/mails", {**MAIL, "attachments": [{"filename": "a.bin", "content": content}]})
    assert fields(response)[0][0] == "attachments"


def test_parameters_that_are_not_known_are_refused_and_nothing_is_done(shop):
    number = queued()
    for method, path in (
        ("post", "/mails?send_at=2027-01-01"),
        ("post", "/mails/batch?dry=1"),
        ("get", f"/mails/{number}?fields=all"),
        ("post", f"/mails/{number}/resend?dry=1"),
        ("post", f"/mails/{number}/cancel?dry=1"),
        ("get", "/templates?q=welcome"),
        ("post", "/templates/account/welcome/render?language=de"),
    ):
        body = {"/mails/batch?dry=1": {"mails": [MAIL]}, "/mails?send_at=2027-01-01": MAIL}.get(path, {})
        response = shop.post(path, body) if method == "post" else shop.get(path)
        assert fields(response)[0][1] == "is not known here", path
    assert fields(shop.post(f"/mails/{number}/cancel", {"dry": True})) == [("dry", "is not known here")]
    assert list(Message.objects.values_list("pk", "status")) == [(number, "queued")]
    assert fields(shop.get("/templates", after="\x00")) == [("after", "is not a template key such as account/welcome")]


def test_what_answers_get_answers_head(shop):
    for path in ("/mails", f"/mails/{queued()}", "/templates"):
        response = shop.client.head(f"/api/v1{path}", headers=shop.headers)
        assert (response.status_code, response.content) == (200, b"")


def test_a_key_stands_in_no_error_page(shop, monkeypatch, settings):
    def crash(*args):
        raise RuntimeError("on purpose")

    settings.DEBUG = True
    shop.client.raise_request_exception = False
    monkeypatch.setattr("mailadmin.api_keys.OWNERS", SimpleNamespace(first=crash))
    page = shop.get("/mails").content.decode()
    assert "on purpose" in page
    assert shop.key[7:] not in page


def test_other_methods_and_addresses_are_refused_in_json(shop):
    response = shop.client.delete("/api/v1/mails", headers=shop.headers)
    assert "GET" in problem(response, 405)["detail"]
    assert set(response["Allow"].replace(" ", "").split(",")) == {"GET", "POST"}
    for path in ("/api/v1/", "/api/v1/nothing", "/api/v1/mails/abc", "/api/v1/mails/1/nothing"):
        problem(shop.client.get(path, headers=shop.headers), 404)


def test_a_fault_of_ours_is_a_problem_detail(shop, monkeypatch):
    def crash(*args, **kwargs):
        raise RuntimeError("on purpose")

    monkeypatch.setattr("mailadmin.api.send", crash)
    shop.client.raise_request_exception = False
    found = problem(shop.post("/mails", MAIL), 500)
    assert "purpose" not in json.dumps(found)


# ---------------------------------------------------------------- its description


def test_the_description_is_for_those_who_are_signed_in_or_have_a_key(admin, admin_client):
    shop = program(admin)
    assert Client().get("/api/v1/openapi.json").status_code == 401
    document = admin_client.get("/api/v1/openapi.json").json()
    assert document == shop.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert document["components"]["schemas"]["MailBody"]["properties"]["to"]["description"]


def test_the_documentation_names_every_operation_and_field(admin_client):
    html = admin_client.get("/api/v1/docs").content.decode()
    for scope, _, _ in OPERATIONS:
        assert f"<code>{scope}</code>" in html
    for field in ("mails[].attachments[].content", "recipients[].enhanced_code", "Idempotency-Key", "send_at"):
        assert f"<code>{field}</code>" in html, field
