"""The log and templates through the HTTP API."""

import json

import pytest

from mailadmin.outbox import resending
from maillog.models import Message
from maillog.outcomes import RecipientOutcome
from maillog.queue.claiming import claim_by_id
from maillog.queue.settling import settle
from tests.cases import case
from tests.factories import make_admin, make_user
from tests.mailadmin.http_api.programs import fields, problem, program
from tests.maillog.makers import LEASE, attempt, claimed, finished, queued, settlement

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(db, mail_settings):
    """A program with every scope, whose key belongs to an administrator. The driver is `silent`."""
    mail_settings(driver="silent", from_address="shop@example.com", from_name="The Shop")
    return program(make_admin())


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


def test_an_invalid_search_is_refused_with_the_reason(shop):
    for query, field in [
        ({"q": "colour:red"}, "q"),
        ({"q": "before:someday"}, "q"),
        ({"q": "x" * 5000}, "q"),
        ({"limit": "many"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"before": "-1"}, "before"),
        ({"before": str(2**63)}, "before"),
        ({"before": "1", "after": "1"}, "after"),
        ({"status": "failed"}, "status"),
    ]:
        assert fields(shop.get("/mails", **query))[0][0] == field, query


def test_a_message_has_its_recipients_and_attempts(shop):
    number = queued("ann@example.com", "bob@example.com", template="account/welcome", template_version=3)
    mail = claimed(number)
    outcomes = [
        RecipientOutcome(id=mail.recipients[0].id, outcome="accepted", code=250, enhanced_code="2.1.5", reply="ok"),
        RecipientOutcome(id=mail.recipients[1].id, outcome="refused", code=550, enhanced_code="5.1.1", reply="no"),
    ]
    settle([settlement(mail, "failed", recipients=outcomes, attempt=attempt(outcome="partial"), reason="550 no")])
    told = shop.get(f"/mails/{number}").json()
    assert (told["status"], told["reason"], told["template"]) == ("failed", "550 no", "account/welcome")
    assert (told["template_version"], told["attempt_count"]) == (3, 1)
    assert [(one["address"], one["outcome"], one["code"]) for one in told["recipients"]] == [
        ("ann@example.com", "accepted", 250),
        ("bob@example.com", "refused", 550),
    ]
    (one,) = told["attempts"]
    assert (one["outcome"], one["driver"], one["connection"], one["tls"]) == ("partial", "smtp", "Relay A", "TLSv1.3")
    assert "mime" not in json.dumps(told)


def test_a_message_that_is_being_sent_has_no_next_attempt(shop):
    number = queued()
    assert shop.get(f"/mails/{number}").json()["next_attempt_at"]
    claim_by_id([number], lease=LEASE, worker="test")
    told = shop.get(f"/mails/{number}").json()
    assert (told["status"], told["next_attempt_at"]) == ("sending", None)


def test_an_unknown_message_is_not_found(shop):
    for number in [0, 999, 10**18, 10**30]:
        with case(number):
            problem(shop.get(f"/mails/{number}"), 404)


# ---------------------------------------------------------------- acting


def test_a_message_is_resent_as_a_new_one(shop):
    old = finished("failed", actor=shop.owner)
    response = shop.post(f"/mails/{old.pk}/resend")
    assert response.status_code == 202, response.content
    new = Message.objects.get(pk=response.json()["id"])
    assert (new.resent_from, new.to_text) == (old.pk, "ann@example.com")
    other = shop.post(f"/mails/{old.pk}/resend", {"to": "Zoë <zoe@example.com>"}).json()
    assert Message.objects.get(pk=other["id"]).to_text == "zoe@example.com"
    assert fields(shop.post(f"/mails/{old.pk}/resend", {"to": "zoe"}))[0][0] == "to"


def test_a_message_that_cannot_be_resent_says_why(shop):
    assert "is not finished yet" in problem(shop.post(f"/mails/{queued()}/resend"), 409)["detail"]
    sensitive = finished("sent", is_sensitive=True)
    assert problem(shop.post(f"/mails/{sensitive.pk}/resend"), 409)["detail"] == resending.SENSITIVE


def test_a_message_with_a_link_is_reissued_with_a_new_one(shop):
    user = make_user("cat@example.com")
    old = finished("sent", user.email, template="account/password_reset", is_sensitive=True)
    refused = shop.post(f"/mails/{old.pk}/resend", {"to": "eve@example.com"})
    assert fields(refused)[0][0] == "to"
    new = Message.objects.get(pk=shop.post(f"/mails/{old.pk}/resend").json()["id"])
    assert (new.to_text, new.resent_from) == (user.email, old.pk)


def test_resending_to_another_address_requires_permission_to_view_content(db):
    owner = make_user("bob@example.com", "mailadmin.use_api", "maillog.view_log", "maillog.resend_mail")
    old, shop = finished("sent"), program(owner)
    problem(shop.post(f"/mails/{old.pk}/resend", {"to": "bob@example.com"}), 403)
    assert shop.post(f"/mails/{old.pk}/resend").status_code == 202


def test_a_waiting_message_is_cancelled(shop):
    number = queued()
    assert shop.post(f"/mails/{number}/cancel").json() == {"id": number, "status": "cancelled"}
    row = Message.objects.get()
    assert row.reason == f"Cancelled by {shop.owner}."
    problem(shop.post(f"/mails/{number}/cancel"), 409)


# ---------------------------------------------------------------- templates


def test_templates_are_listed_with_their_variables(shop):
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
