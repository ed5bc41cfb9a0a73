"""Hostile values in every field of every form and every parameter of every page: an answer, never a 5xx, never half.

The forms are read from the pages, so a new field is tried without being named here.
"""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import resolve

from tests.cases import case
from tests.config.hostile import CONTROL, FORM, HOSTILE, encoded, forms_of
from tests.config.site import PAGES, Page, Rows, freshly_signed_in, undone, watched_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]

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
READS = [page for page in PAGES if page.reads]
ACTS = [page for page in PAGES if page.acts]


class Attempts:
    """Requests that are undone afterwards. Whatever was not accepted must have stored nothing."""

    def __init__(self, rows: Rows):
        self.rows, self.known = rows, texts(rows.before)

    def post(self, client, path: str, body: bytes | str, *what: str, content_type: str = FORM):
        octets = body if isinstance(body, bytes) else body.encode()
        with undone(client, path, *what):
            response = client.generic("POST", path, octets, content_type=content_type)
            check(response)
            changes = self.rows.changes()
            audited = "/connection-check/" in path and all("maillog_auditevent" in one for one in changes)
            accepted = response.status_code in {201, 302} or audited
            assert not changes or accepted, "refused, but something was stored"
            for text in texts(self.rows.new()) - self.known:
                lines = "/edit/" in path  # templates have lines
                assert not CONTROL.search(text.replace("\n", "") if lines else text)
        return response


def texts(rows: Any) -> set[str]:
    """Every text in the rows, also those inside JSON."""
    if isinstance(rows, str):
        return {rows}
    inside = rows.values() if isinstance(rows, dict) else rows if isinstance(rows, list | tuple) else ()
    return {text for one in inside for text in texts(one)}


def check(response):
    assert response.status_code < 500
    assert re.match(r"/(?![/\\])", response.headers.get("Location", "/"))


@pytest.fixture
def visitors(site):
    """Who tries a page: the administrator, and where everybody may, nobody in particular, too."""
    nobody, admin = Client(), freshly_signed_in(site.admin)

    def of(page: Page) -> dict[str, Client]:
        return {"anonymous": nobody, "administrator": admin} if page.public else {"administrator": admin}

    return of


@pytest.fixture
def attempts(visitors):
    with watched_rows() as rows:
        yield Attempts(rows)


@pytest.fixture(autouse=True)
def no_limits(settings):
    """Or a flood would be refused before it is read."""
    settings.ACCOUNT_RATE_LIMITS = False


# ---------------------------------------------------------------- fields and parameters


def test_the_forms_of_the_pages_are_found(site):
    client = freshly_signed_in(site.admin)
    found = {name for page in READS for _, fields in forms_of(client.get(site.path(page)), "") for name in fields}
    assert {"host", "port", "ca_pem", "from_name", "driver", "to", "time_zone", "oldpassword", "code"} <= found
    assert {"sharing-owners", "sharing-revision", "revision", "password_action"} <= found


def try_every_field(attempts: Attempts, client: Client, action: str, fields: dict[str, str], who: str):
    names = sorted(fields.keys() - {"csrfmiddlewaretoken"})  # which the test client does without
    for kind, value in HOSTILE.items():
        attempts.post(client, action, encoded(dict.fromkeys(names, value)), who, "everything", kind)
    for name in names:
        for kind in ALONE:
            attempts.post(client, action, encoded({**fields, name: HOSTILE[kind]}), who, name, kind)
        rest = encoded({key: value for key, value in fields.items() if key != name})
        attempts.post(client, action, rest, who, name, "missing")
        attempts.post(client, action, f"{rest}&{name}=a&{name}=b&{name}[]=c&{name}[x]=d", who, name, "many")


def test_no_value_of_a_field_breaks_a_page(site, visitors, attempts):
    tried = set()
    for page in READS:
        path = site.path(page)
        for who, client in visitors(page).items():
            with undone(client, who, page.path):
                response = client.get(path, follow="{key}" in page.path)  # others lead to pages of their own
                for action, fields in forms_of(response, response.request["PATH_INFO"]):
                    form = (who, resolve(action).route, frozenset(fields))
                    if form not in tried:
                        try_every_field(attempts, client, action, fields, who)
                    tried.add(form)


def test_no_query_breaks_a_page(site, visitors):
    names = sorted({name for names in PARAMETERS.values() for name in names})
    everything = {
        kind: "&".join(f"{encoded({name: HOSTILE[kind][:300]})}&{name}=b&{name}[]=c" for name in names)
        for kind in ALONE
    }
    raw = ("%", "%ED%A0%80", "&&&===", "a" * 5_000, "%00=%00", "a=1&" * 2_000, "q=%u0041", "\xff")
    for page in READS:
        alone = {
            f"{name} = {kind}": encoded({name: value[:8_000]})  # servers refuse an address that is longer
            for name in PARAMETERS.get(page.path, ())
            for kind, value in HOSTILE.items()
        }
        queries = {**alone, **everything, **{text[:20]: text for text in raw}}
        path = site.path(page)
        for who, client in visitors(page).items():
            for what, query in queries.items():
                with case(who, page.path, what):
                    check(client.get(f"{path}?{query}"))


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


def test_no_body_breaks_a_page(site, visitors, attempts):
    for page in ACTS:
        path = site.path(page)
        for who, client in visitors(page).items():
            for kind, (body, content_type) in BODIES.items():
                if len(body) < 1_000_000 or page.path in {"/secrets/new/smtp/", "/account/login/"}:  # others read alike
                    attempts.post(client, path, body, who, kind, content_type=content_type)


def test_a_body_without_fields_is_answered_at_the_fields(site, visitors, attempts):
    for page in PAGES:
        if page.path in {"/mail/settings/", "/mail/test/", "/secrets/new/smtp/", "/account/profile/"}:
            for kind in ("nothing", "JSON", "text", "no boundary"):
                body, content_type = BODIES[kind]
                for who, client in visitors(page).items():
                    response = attempts.post(client, page.path, body, who, kind, content_type=content_type)
                    with case(page.path, kind):
                        assert response.status_code in {400, 422}
