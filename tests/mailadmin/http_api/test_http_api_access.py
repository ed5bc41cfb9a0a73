"""Access to the HTTP API, unreadable requests, and the documentation."""

import base64
import json

import pytest
from django.test import Client
from django.utils import timezone

from mailadmin.http_api import api_keys
from mailadmin.http_api.ninja_api import description
from mailadmin.models.api_key import ApiKey, Scope
from maillog.models import Message
from tests.cases import case, rolled_back
from tests.factories import make_admin, make_user
from tests.mailadmin.http_api.programs import MAIL, fields, problem, program
from tests.maillog.makers import queued

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(db, mail_settings):
    """A program with every scope, whose key belongs to an administrator. The driver is `silent`."""
    mail_settings(driver="silent", from_address="shop@example.com", from_name="The Shop")
    return program(make_admin())


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


def test_a_session_gives_no_access(admin_client):
    for _scope, method, path in OPERATIONS:
        with case(method, path):
            found = problem(getattr(admin_client, method)(f"/api/v1{path}"), 401)
            assert "Authorization: Bearer" in found["detail"]


def test_all_other_scopes_together_give_no_access(admin):
    for scope, method, path in OPERATIONS:
        with rolled_back(method, path):
            shop = program(admin, scopes=set(Scope) - {scope})
            response = shop.ask(method, path)
            assert str(scope) in problem(response, 403)["detail"]
            assert 'error="insufficient_scope"' in response["WWW-Authenticate"]


def test_the_owner_needs_the_permissions_of_the_scope(db):
    everything = {one for needs in api_keys.PERMISSIONS.values() for one in needs}
    for scope, method, path in OPERATIONS:
        with rolled_back(method, path):
            for missing in api_keys.PERMISSIONS[scope]:
                owner = make_user(f"{missing}@example.com", "mailadmin.use_api", *(everything - {missing}))
                assert missing in problem(program(owner).ask(method, path), 403)["detail"]
            owner = make_user("bob@example.com", "mailadmin.use_api", *api_keys.PERMISSIONS[scope])
            assert program(owner, scopes=[scope]).ask(method, path).status_code not in {401, 403}


def refused(shop):
    response = shop.get("/mails")
    assert response["WWW-Authenticate"].startswith('Bearer realm="Mailadmin"')
    return problem(response, 401)["detail"]


def test_a_revoked_or_expired_key_gives_no_access(admin):
    shop = program(admin)
    assert shop.get("/mails").status_code == 200
    api_keys.revoke(shop.stored, by=admin)
    assert refused(shop) == "This key was revoked."
    shop = program(admin)
    ApiKey.objects.filter(pk=shop.stored.pk).update(expires_at=timezone.now())
    assert refused(shop) == "This key has expired."


def test_keys_of_an_owner_who_lost_access_give_none(db):
    owner = make_user("bob@example.com", "mailadmin.use_api", "maillog.view_log")
    shop = program(owner)
    assert shop.get("/mails").status_code == 200
    owner.is_active = False
    owner.save()
    assert "may no longer use the API" in refused(shop)
    owner.is_active = True
    owner.save()
    owner.user_permissions.clear()
    assert "may no longer use the API" in refused(shop)


def test_an_unknown_key_gives_no_access():
    for header in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer mk_" + "x" * 43,
        "Bearer ' OR 1=1",
        "Bearer \u00e4",
        "Basic YTpi",
        "Bearer " * 9,
    ]:
        with case(header):
            response = Client().get("/api/v1/mails", headers={"Authorization": header} if header else {})
            problem(response, 401)


def test_the_key_itself_is_stored_nowhere(shop):
    row = ApiKey.objects.get()
    assert len(row.prefix) == 7
    assert shop.key.startswith(row.prefix)
    stored = " ".join(str(value) for value in ApiKey.objects.values_list().get())
    assert shop.key[7:] not in stored


def test_use_is_recorded_once_per_minute(shop, django_assert_num_queries):
    assert ApiKey.objects.get().used_at is None
    shop.get("/mails/1")
    used = ApiKey.objects.get().used_at
    assert used is not None
    shop.get("/mails/1")
    assert ApiKey.objects.get().used_at == used


# ---------------------------------------------------------------- bodies and addresses that are wrong


def test_a_body_that_cannot_be_read(shop):
    for body, kind, status in [
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
    ]:
        with case(body):
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
        assert fields(response)[0][1] == "is not a known parameter", path
    assert fields(shop.post(f"/mails/{number}/cancel", {"dry": True})) == [("dry", "is not a known field")]
    assert list(Message.objects.values_list("pk", "status")) == [(number, "queued")]
    assert fields(shop.get("/templates", after="\x00")) == [("after", "is not a template key such as account/welcome")]


def test_every_url_that_answers_get_answers_head(shop):
    for path in ("/mails", f"/mails/{queued()}", "/templates"):
        response = shop.client.head(f"/api/v1{path}", headers=shop.headers)
        assert (response.status_code, response.content) == (200, b"")


def test_no_error_page_contains_a_key(shop, monkeypatch, settings):
    def crash(*args):
        raise RuntimeError("on purpose")

    settings.DEBUG = True
    shop.client.raise_request_exception = False
    monkeypatch.setattr("mailadmin.http_api.api_keys.owner_of", crash)
    page = shop.get("/mails").content.decode()
    assert "on purpose" in page
    assert shop.key[7:] not in page


def test_other_methods_and_addresses_are_refused_in_json(shop):
    response = shop.client.delete("/api/v1/mails", headers=shop.headers)
    assert "GET" in problem(response, 405)["detail"]
    assert set(response["Allow"].replace(" ", "").split(",")) == {"GET", "POST"}
    for path in ("/api/v1/", "/api/v1/nothing", "/api/v1/mails/abc", "/api/v1/mails/1/nothing"):
        problem(shop.client.get(path, headers=shop.headers), 404)


def test_a_server_error_is_a_problem_detail(shop, monkeypatch):
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
