"""Every page under /account/ and /setup/: whose it is, how it looks, and that no input breaks it."""

import time
from pathlib import Path

import allauth
import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client
from django.urls import URLResolver, get_resolver

from tests.cases import case, rolled_back
from tests.conftest import signed_in
from tests.factories import PASSWORD, make_user

STOCK = Path(allauth.__file__).parent / "templates"

PUBLIC = {
    "/setup/",
    "/account/login/",
    "/account/logout/",
    "/account/inactive/",
    "/account/signup/",
    "/account/login/code/confirm/",
    "/account/password/reset/",
    "/account/password/reset/done/",
    "/account/password/reset/key/1-abc/",
    "/account/password/reset/key/done/",
    "/account/2fa/authenticate/",
}

HOSTILE = [
    "\x00",
    "\x01\x1b[31m\x7f\x85",
    "a\r\nBcc: b@example.com",
    "\u2028\u202e\ufeff",
    "x" * 100_000,
    "\U0001f984" * 500,
    "\u017f" * 300,
    "'\"><script>alert(1)</script>{{ 7*7 }}{% csrf_token %}%s%00",
    "١٢٣٤٥٦",
    "ann@exämple.com",
    "-1",
    "1e999",
]
FIELDS = (
    *("login", "password", "password_again", "password1", "password2", "oldpassword", "email", "name"),
    *("language", "time_zone", "code", "next", "action", "remember"),
)


def paths(patterns=None, prefix="/") -> list[str]:
    """Every address of users and allauth, with something in the place of each variable part."""
    found = []
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern).removeprefix("^").removesuffix("$")
        if isinstance(pattern, URLResolver):
            found += paths(pattern.url_patterns, route)
        elif route.startswith(("/account/", "/setup/")):
            for variable, value in VARIABLES.items():
                route = route.replace(variable, value)
            found.append(route.replace("^", ""))
    return found


VARIABLES = {
    "(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)": "1-abc",
    "(?P<key>[-:\\w]+)": "abc:def",
    "<int:pk>": "1",
}

pytestmark = pytest.mark.django_db


def is_ours(response) -> bool:
    """Whether what was drawn was drawn in our frame, and nothing of it by a template of the library's."""
    drawn = [template for template in response.templates if template.name]
    return "skeleton.html" in [template.name for template in drawn] and not any(
        Path(template.origin.name).is_relative_to(STOCK) for template in drawn
    )


def test_the_walk_finds_the_pages():
    assert {"/setup/", "/account/profile/", "/account/login/", "/account/2fa/totp/activate/"} <= set(paths())
    assert not [path for path in paths() if set(path) & set("<>()[]?\\")]
    assert set(paths()) >= PUBLIC


def test_the_anonymous_visitor_is_sent_to_the_sign_in(client):
    make_user()
    for path in sorted(set(paths()) - PUBLIC):
        with case(path):
            for method in (client.get, client.post):
                response = method(path)
                assert response.status_code == 302
                assert response["Location"].startswith("/account/login/?next=")


def test_public_pages_are_drawn_in_our_design():
    make_user()
    for path in sorted(PUBLIC):
        with case(path):
            response = Client().get(path, follow=True)
            assert response.status_code == 200
            assert is_ours(response)


def ready(user, *, confirmed: bool, second_factor: bool) -> Client:
    """A signed-in browser that has, or has not, typed the password again and turned the second step on."""
    client = signed_in(user)
    if confirmed:
        client.post("/account/reauthenticate/", {"password": PASSWORD})
    if second_factor:
        secret = client.get("/account/2fa/totp/activate/").context["form"].secret
        client.post("/account/2fa/totp/activate/", {"code": code_of(secret)})
    return client


def code_of(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def test_every_page_of_a_signed_in_person_is_drawn_in_our_design():
    for confirmed, second_factor in [(False, False), (True, False), (True, True)]:
        with rolled_back(confirmed, second_factor):
            user = make_user()
            client = ready(user, confirmed=confirmed, second_factor=second_factor)
            for path in sorted(paths()):
                response = client.get(path, follow=True)
                if response.status_code == 200 and "Content-Disposition" not in response.headers:
                    assert is_ours(response), path
                else:
                    assert response.status_code in (200, 404, 405), path


def test_an_account_without_a_password_is_asked_to_set_one():
    user = make_user()
    user.set_unusable_password()
    user.save()
    client = signed_in(user)
    response = client.get("/account/password/change/", follow=True)
    assert response.redirect_chain == [("/account/password/set/", 302)]
    assert is_ours(response)
    client.post("/account/password/set/", {"password1": PASSWORD, "password2": PASSWORD})
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_pages_of_the_library_that_are_not_used_are_closed():
    client = signed_in(make_user())
    assert client.get("/account/confirm-email/").status_code == 404
    assert client.get("/account/confirm-email/abc:def/").status_code == 404
    for path in ("/account/", "/account/email/"):
        assert client.get(path)["Location"] == "/account/profile/"
        assert client.post(path, {"action_add": "", "email": "x@example.com"})["Location"] == "/account/profile/"


@pytest.mark.both_databases
def test_no_input_breaks_a_page():
    for value in HOSTILE:
        with rolled_back(value):
            user = make_user()
            anonymous = Client()
            confirmed = ready(user, confirmed=True, second_factor=False)
            data = dict.fromkeys(FIELDS, value)
            for client in (anonymous, confirmed):
                for path in sorted(paths()):
                    assert client.get(path, data if len(value) < 1000 else {}).status_code < 500, path
                    assert client.post(path, data).status_code < 500, path
                    if client is confirmed:
                        client.force_login(user)  # one of the pages signs out


@pytest.mark.both_databases
def test_broken_bytes_break_no_page():
    for raw in [b"%ED%A0%80", b"%FF%FE", b"%00", b"%", b"login=a&login=b", b"a" * 2000]:
        with rolled_back(raw):
            user = make_user()
            body = b"&".join(name.encode() + b"=" + raw for name in FIELDS)
            for client in (Client(), signed_in(user)):
                for path in sorted(paths()):
                    response = client.post(path, body, content_type="application/x-www-form-urlencoded")
                    assert response.status_code < 500, path
                    assert client.get(f"{path}?{body.decode()}").status_code < 500, path


def test_a_body_of_another_kind_breaks_no_page():
    for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", "nonsense"]:
        with rolled_back(content_type):
            for client in (Client(), signed_in(make_user())):
                for path in sorted(paths()):
                    assert client.post(path, b'{"login": [1]}', content_type=content_type).status_code < 500, path
