"""Hostile values in every field of every form and every parameter of every page: an answer, never a 5xx, never half.

The forms are read from the pages, so a new field is tried without being named here.
"""

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from django.db import connection, transaction
from django.test import Client

from tests.config.site import PAGES, Page, Site, freshly_signed_in, stored
from tests.factories import PASSWORD
from users.models import User

pytestmark = pytest.mark.django_db

HOSTILE: dict[str, bytes] = {
    "nul": b"a\x00b",
    "control": b"\x01\x1b[31m\x7f\xc2\x85",
    "header": b"a\r\nBcc: b@example.com",
    "separators": "a\u2028b\u2029c".encode(),
    "surrogate": b"a\xed\xa0\x80b",
    "not UTF-8": b"a\xff\xfe\xc0\xafb",
    "long": b"x" * 100_000,
    "long number": b"9" * 5_000,
    "expanding": "\ufb03\u0149\u0130".encode() * 80,
    "huge": b"9223372036854775808",
    "infinite": b"-1e999",
    "foreign digits": "٥٨٧".encode(),
    "empty": b"",
    "path": b"../../../../etc/passwd",
    "code": b"{{ 7*7 }}{% debug %}%s%(x)s{0.__class__}'\"><script>alert(1)</script>' OR '1'='1' --",
    "overrides": "\u3000\u202egnp.exe\u2066\ufeff\u200b".encode(),
    "address": b"<a@example.com>, b@example.com",
    "url": b"https://[evil.example",
}
PARAMETERS = {  # what is tried alone; all of them together are tried on every page
    "/log/": (
        "q",
        "status",
        "template",
        "driver",
        "connection",
        "date_from",
        "date_to",
        "before",
        "after",
        "shown_query",
    ),
    "/log/live/": ("text", "rows", "since", "seen", "columns", "chosen", "calm"),
    "/log/{mail}/": ("tab",),
    "/secrets/audit/": ("before",),
    "/secrets/new/smtp/": ("preset",),
    "/account/login/": ("next",),
    "/templates/": ("q", "kind", "tag", "page"),
    "/templates/new/": ("what", "project"),
    "/templates/shop/template/hello/": ("sample", "language", "tab", "version"),
    "/templates/shop/template/hello/frame/": ("sample", "language", "version"),
    "/templates/shop/template/hello/versions/": ("before",),
    "/templates/shop/template/hello/edit/": ("sample", "language", "phone", "dark"),
    "/templates/shop/template/hello/draft/frame/": ("sample", "language", "dark", "revision"),
    "/templates/shop/template/hello/diff/": ("from", "to"),
}
ALONE = (
    "nul",
    "control",
    "header",
    "separators",
    "surrogate",
    "long",
    "huge",
    "code",
)  # tried in each field alone
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
FORM = "application/x-www-form-urlencoded"
READS = [page for page in PAGES if page.reads]
ACTS = [page for page in PAGES if page.acts]


def each(pages):
    return pytest.mark.parametrize("place", pages, ids=lambda page: page.path)


class Forms(HTMLParser):
    """The forms of a page that are posted: their actions, and their fields with the values that the page holds."""

    def __init__(self):
        super().__init__()
        self.forms: list[tuple[str, list[tuple[str, str]]]] = []
        self.fields: list[tuple[str, str]] | None = None
        self.select = self.area = ""

    def handle_starttag(self, tag, attrs):
        values = {key: value or "" for key, value in attrs}
        name = values.get("name", "")
        if tag == "form" and values.get("method", "").lower() == "post":
            self.fields = []
            self.forms.append((values.get("action", ""), self.fields))
        elif self.fields is None:
            return
        elif tag == "input" and name:
            ticked = values.get("type") not in {"checkbox", "radio"} or "checked" in values
            self.fields += [(name, values.get("value", "on"))] if ticked else []
        elif tag == "button" and name:
            self.fields.append((name, values.get("value", "")))
        elif tag == "select":
            self.select = name
            self.fields.append((name, ""))
        elif tag == "option" and self.select and "selected" in values:
            self.fields[-1] = (self.select, values.get("value", ""))
        elif tag == "textarea":
            self.fields.append((name, ""))

    def handle_endtag(self, tag):
        if tag == "form":
            self.fields = None
        elif tag == "select":
            self.select = ""


def forms_of(response, path: str) -> list[tuple[str, dict[str, str]]]:
    found = Forms()
    if response["Content-Type"].startswith("text/html"):  # others are files to be kept
        found.feed(response.content.decode())
    return [(action or path, dict(fields)) for action, fields in found.forms if not action.startswith("http")]


def encoded(fields: Mapping[str, bytes | str]) -> str:
    return "&".join(
        f"{name}={quote_from_bytes(value if isinstance(value, bytes) else value.encode())}"
        for name, value in fields.items()
    )


class Attempts:
    """Requests that are undone afterwards. Whatever was not accepted must have stored nothing."""

    def __init__(self, site: Site):
        self.site, self.before, self.wrote = site, stored(), False

    def post(self, client, path: str, body: bytes | str, what: str, *, content_type: str = FORM):
        session = client.cookies.get("sessionid")
        octets = body if isinstance(body, bytes) else body.encode()
        with transaction.atomic(), connection.execute_wrapper(self.note_writing):
            self.wrote = False
            response = client.generic("POST", path, octets, content_type=content_type)
            after = stored() if self.wrote else self.before
            transaction.set_rollback(True)
        if session:
            client.cookies["sessionid"] = session.value  # some forms sign out
        check(response, what)
        if response.status_code not in {201, 302}:
            assert after == self.before, f"{what}: {response.status_code}, but something was stored"
        new = texts(after) - texts(self.before)
        if "/edit/" in path:  # templates have lines
            new = {text.replace("\n", "") for text in new}
        assert not [text for text in new if CONTROL.search(text)], what
        return response

    def note_writing(self, execute, sql, params, many, context):
        self.wrote |= not sql.startswith(("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK"))
        return execute(sql, params, many, context)


def texts(rows: Any) -> set[str]:
    """Every text in the rows, also those inside JSON."""
    if isinstance(rows, str):
        return {rows}
    inside = rows.values() if isinstance(rows, dict) else rows if isinstance(rows, list | tuple) else ()
    return {text for one in inside for text in texts(one)}


def check(response, what: str):
    assert response.status_code < 500, what
    location = response.headers.get("Location", "/")
    assert re.match(r"/(?![/\\])", location), (what, location)


@pytest.fixture
def attempts(site):
    return Attempts(site)


@pytest.fixture(autouse=True)
def no_limits(settings):
    """Or a flood would be refused before it is read."""
    settings.ACCOUNT_RATE_LIMITS = False


def visitors(place: Page, site: Site) -> dict[str, Client]:
    admin = {"the administrator": freshly_signed_in(site.admin)}
    return {"nobody": Client(), **admin} if place.public else admin


# ---------------------------------------------------------------- fields and parameters


def test_the_forms_of_the_pages_are_found(site):
    client = freshly_signed_in(site.admin)
    found = {name for page in READS for _, fields in forms_of(client.get(site.path(page)), "") for name in fields}
    assert {"host", "port", "ca_pem", "from_name", "driver", "to", "time_zone", "oldpassword", "code"} <= found
    assert {"sharing-owners", "sharing-revision", "revision", "password_action"} <= found


def try_every_field(attempts, client, action: str, fields: dict[str, str], who: str):
    names = sorted(fields.keys() - {"csrfmiddlewaretoken"})  # which the test client does without
    for kind, value in HOSTILE.items():
        attempts.post(client, action, encoded(dict.fromkeys(names, value)), f"{who}: everything = {kind}")
    for name in names:
        for kind in ALONE:
            attempts.post(client, action, encoded({**fields, name: HOSTILE[kind]}), f"{who}: {name} = {kind}")
        rest = encoded({key: value for key, value in fields.items() if key != name})
        attempts.post(client, action, rest, f"{who}: no {name}")
        attempts.post(client, action, f"{rest}&{name}=a&{name}=b&{name}[]=c&{name}[x]=d", f"{who}: many {name}")


@each(READS)
def test_no_value_of_a_field_breaks_a_page(place, site, attempts):
    path = site.path(place)
    for who, client in visitors(place, site).items():
        response = client.get(path, follow="{key}" in place.path)  # others lead to pages that are tried themselves
        for action, fields in forms_of(response, response.request["PATH_INFO"]):
            if path == action or action != "/account/logout/":  # that form is on every page
                try_every_field(attempts, client, action, fields, who)


def test_no_value_of_a_field_breaks_the_set_up(db):
    (action, fields), *_ = forms_of(Client().get("/setup/"), "/setup/")
    right = {"email": "ann@example.com", "name": "Ann", "password": PASSWORD, "password_again": PASSWORD}
    assert right.keys() <= fields.keys()
    for name in right:
        for kind, value in HOSTILE.items():
            with transaction.atomic():
                response = Client().post(action, encoded({**right, name: value}), content_type=FORM)
                users = list(User.objects.all())
                transaction.set_rollback(True)
            assert response.status_code in {302, 422}, (name, kind)
            assert len(users) == (response.status_code == 302), (name, kind)
            assert not [user for user in users if CONTROL.search(user.name + user.email)], (name, kind)
    assert Client().post(action, encoded(right), content_type=FORM).status_code == 302


@each(READS)
def test_no_query_breaks_a_page(place, site):
    path = site.path(place)
    for who, client in visitors(place, site).items():
        for name in PARAMETERS.get(place.path, ()):
            for kind, value in HOSTILE.items():
                short = value[:8_000]  # servers refuse an address that is longer
                check(client.get(f"{path}?{encoded({name: short})}"), f"{who}: {name} = {kind}")
        names = {name for names in PARAMETERS.values() for name in names}
        for kind in ALONE:
            query = "&".join(f"{encoded({name: HOSTILE[kind][:300]})}&{name}=b&{name}[]=c" for name in names)
            check(client.get(f"{path}?{query}"), f"{who}: {kind}")
        for raw in ("%", "%ED%A0%80", "&&&===", "a" * 5_000, "%00=%00", "a=1&" * 2_000, "q=%u0041", "\xff"):
            check(client.get(f"{path}?{raw}"), f"{who}: {raw[:20]}")


# ---------------------------------------------------------------- bodies


def multipart(*parts: bytes, boundary: bytes = b"edge") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def part(name: bytes, content: bytes, extra: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="' + name + b'"' + extra + b"\r\n\r\n" + content


MULTIPART = "multipart/form-data; boundary=edge"
FILE = b'; filename="../../x\x00.txt"\r\nContent-Type: application/octet-stream'
BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", FORM),
    "no form": (b"\x00\x01\x02", FORM),
    "JSON": (b'{"name": ["a"]}', "application/json"),
    "JSON called a form": (b'{"name": ["a"]}', FORM),
    "text": (b"name=a", "text/plain"),
    "XML": (b'<!DOCTYPE a [<!ENTITY b SYSTEM "never.txt">]><a>&b;</a>', "text/xml"),
    "no type": (b"name=a", ""),
    "nonsense type": (b"name=a", "\x00/;;=\xff"),
    "unknown charset": (b"name=a", FORM + "; charset=nonsense"),
    "other charset": ("name=ä".encode("utf-16"), FORM + "; charset=utf-16"),
    "surrogate names": (b"%ED%A0%80=%ED%A0%80&%00=%00", FORM),
    "too many fields": (b"a=1&" * 2_000, FORM),
    "6 MB": (b"name=" + b"x" * 6_000_000, FORM),
    "no boundary": (multipart(part(b"name", b"a")), "multipart/form-data"),
    "wrong boundary": (multipart(part(b"name", b"a")), "multipart/form-data; boundary=other"),
    "endless boundary": (multipart(part(b"name", b"a")), "multipart/form-data; boundary=" + "e" * 5_000),
    "cut off": (multipart(part(b"name", b"a"))[:40], MULTIPART),
    "6 MB in a part": (multipart(part(b"name", b"x" * 6_000_000)), MULTIPART),
    "6 MB file": (multipart(part(b"name", b"x" * 6_000_000, FILE)), MULTIPART),
    "files for fields": (multipart(*(part(b"name", b"x", FILE) for _ in range(3))), MULTIPART),
    "too many files": (multipart(*(part(b"f%d" % n, b"x", FILE) for n in range(200))), MULTIPART),
    "long part head": (multipart(part(b"n" * 100_000, b"x")), MULTIPART),
    "broken base64": (multipart(part(b"name", b"%%%", b"\r\nContent-Transfer-Encoding: base64")), MULTIPART),
    "bytes in names": (multipart(part(b"\xff\x00\xed\xa0\x80", b"\xff")), MULTIPART),
}


@each(ACTS)
def test_no_body_breaks_a_page(place, site, attempts):
    path = site.path(place)
    for who, client in visitors(place, site).items():
        for kind, (body, content_type) in BODIES.items():
            if len(body) < 1_000_000 or place.path in {"/secrets/new/smtp/", "/account/login/"}:  # the rest reads alike
                attempts.post(client, path, body, f"{who}: {kind}", content_type=content_type)


@pytest.mark.parametrize("kind", ["nothing", "JSON", "text", "no boundary"])
def test_a_body_without_fields_is_answered_at_the_fields(kind, site, attempts):
    body, content_type = BODIES[kind]
    client = freshly_signed_in(site.admin)
    for path in ("/mail/settings/", "/mail/test/", "/secrets/new/smtp/", "/account/profile/"):
        assert attempts.post(client, path, body, kind, content_type=content_type).status_code in {400, 422}, path
