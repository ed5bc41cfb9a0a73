"""Hostile values, and the forms of a page that they are typed into."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import quote_from_bytes

FORM = "application/x-www-form-urlencoded"
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
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
