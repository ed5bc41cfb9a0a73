"""Messages as Django projects build them, by name: what is sent beside Django's own SMTP backend."""

from collections.abc import Callable, Iterator
from email.mime.application import MIMEApplication
from email.mime.text import MIMEText

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.utils.functional import lazystr

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
EML = (
    b"From: a@example.com\r\nTo: b@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n"
)

SUBJECTS = {
    "plain": "Hello",
    "empty": "",
    "umlauts": "Grüße aus Köln",
    "cjk": "日本語の件名",
    "emoji": "Done 🎉",
    "lazy": lazystr("Lazy"),
    "tab": "a\tb",
    "long": "word " * 60 + "end",
    "long umlauts": "Grüße " * 40 + "Ende",
    "long word": "x" * 300,
    "encoded word": "=?utf-8?q?Hello?=",
    "quotation marks": 'Say "hi" \\ <now>',
    "colons": "Re: Fwd: x; y, z",
    "blanks": "two  blanks",
    "number": 17,
    "line break": "a\nBcc: eve@example.com",
    "carriage return": "a\rb",
    "escape": "\x1b[31mred",
    "next line": "a\x85b",
    "nul": "a\0b",
    "998": "x" * 998,
    "1500": "word " * 300,
}
BODIES = {
    "plain": "Hello\n",
    "empty": "",
    "none": None,
    "umlauts": "Grüße\n",
    "cjk": "日本語\n" * 50,
    "emoji": "🎉\n",
    "crlf": "a\r\nb\r\n",
    "cr": "a\rb\n",
    "no line end": "a",
    "dots": ".\n..\n.a\n",
    "from": "From me\nFrom you\n",
    "long line": "x" * 2_000 + "\n",
    "long umlauts": "ü" * 1_500 + "\n",
    "trailing blanks": "a  \nb\t\n",
    "form feed": "a\fb\n",
    "nul": "a\0b\n",
    "half a character": "a\ud800b",
    "equals": "a=3D=20=\n",
    "large": "line of text\n" * 5_000,
}
RECIPIENTS = {
    "one": ["ann@example.com"],
    "two": ["ann@example.com", "bob@example.com"],
    "many": [f"u{number}@example.com" for number in range(150)],
    "name": ["Ann Lee <ann@example.com>"],
    "comma": ['"Lee, Ann" <ann@example.com>'],
    "umlaut name": ["Jörg Müller <joerg@example.com>"],
    "long name": ["N" * 100 + " <ann@example.com>"],
    "angle": ["<ann@example.com>"],
    "empty": ["ann@example.com", ""],
    "none": ["ann@example.com", None],
    "lazy": [lazystr("ann@example.com")],
    "plus": ["ann+tag@example.com"],
    "upper case": ["Ann@EXAMPLE.com"],
    "idn": ["ann@bücher.example"],
    "sharp s": ["ann@straße.example"],
    "quoted": ['"john doe"@example.com'],
    "dots": ["a..b@docomo.example"],
    "long local": ["x" * 80 + "@example.com"],
    "literal": ["ann@[127.0.0.1]"],
    "single label": ["root@mailhost"],
    "localhost": ["root@localhost"],
    "no domain": ["root"],
    "twice": ["ann@example.com", "ann@example.com"],
    "twice by case": ["ann@example.com", "ANN@example.com"],
    "two in one": ["ann@example.com, bob@example.com"],
    "group": ["undisclosed-recipients:;"],
    "comment": ["ann@example.com (Ann)"],
    "line break": ["ann@example.com\nbcc: eve@example.com"],
    "bare word": ["not an address"],
    "numbers": ["1@example.com"],
    "apostrophe": ["o'neil@example.com"],
    "blanks": [" ann@example.com "],
}
SENDERS = {
    "plain": "shop@example.com",
    "name": "The Shop <shop@example.com>",
    "umlauts": "Käse & Co <shop@example.com>",
    "quoted": '"Shop, The" <shop@example.com>',
    "lazy": lazystr("shop@example.com"),
    "idn": "shop@bücher.example",
    "no domain": "webmaster",
    "two": "a@example.com, b@example.com",
    "line break": "shop@example.com\nBcc: eve@example.com",
}
HEADERS: dict[str, dict[str, object]] = {
    "own": {"X-Order": "17"},
    "number": {"X-Order": 17},
    "umlauts": {"X-Note": "Grüße"},
    "lazy": {"X-Note": lazystr("lazy")},
    "tab": {"X-Note": "a\tb"},
    "long": {"References": " ".join(f"<{number}@example.com>" for number in range(60))},
    "unsubscribe": {"List-Unsubscribe": "<https://example.com/u>, <mailto:u@example.com>"},
    "message-id": {"Message-ID": "<own@example.com>"},
    "lower message-id": {"message-id": "<lower@example.com>"},
    "long message-id": {"Message-ID": "<" + "x" * 286 + "@example.com>"},
    "date": {"Date": "Mon, 01 Jan 2024 00:00:00 +0000"},
    "from": {"From": "Other <other@example.com>"},
    "to": {"To": "Team <team@example.com>"},
    "cc": {"Cc": "cc@example.com"},
    "reply-to": {"Reply-To": "re@example.com"},
    "two in to": {"To": "a@example.com, B <b@example.com>"},
    "undisclosed": {"To": "undisclosed-recipients:;"},
    "group": {"To": "team: a@example.com;"},
    "sender": {"Sender": "sender@example.com"},
    "bcc": {"Bcc": "eve@example.com"},
    "line break": {"X-Note": "a\nBcc: eve@example.com"},
    "escape": {"X-Note": "\x1b[31m"},
    "bad name": {"X Note": "a"},
    "priority": {"X-Priority": "1", "Importance": "high"},
}
ATTACHMENTS: dict[str, list[tuple[str | None, str | bytes, str | None]]] = {
    "text": [("a.txt", "Hello\n", "text/plain")],
    "text bytes": [("a.txt", b"Hello\n", None)],
    "umlauts": [("a.txt", "Grüße\n", "text/plain")],
    "latin-1": [("a.txt", b"Gr\xfc\xdfe\n", None)],
    "csv": [("a.csv", b"1;2\r\n3;4\r\n", "text/csv")],
    "pdf": [("a.pdf", b"%PDF-1.4\n\x00\xff", None)],
    "png": [("a.png", PNG, "image/png")],
    "calendar": [("a.ics", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "text/calendar")],
    "umlaut name": [("Grüße.pdf", b"%PDF", "application/pdf")],
    "cjk name": [("日本語.pdf", b"%PDF", "application/pdf")],
    "quoted name": [('a"b.pdf', b"%PDF", "application/pdf")],
    "blank name": [("a b;c.pdf", b"%PDF", "application/pdf")],
    "path name": [("dir/a.pdf", b"%PDF", "application/pdf")],
    "long name": [("x" * 200 + ".pdf", b"%PDF", "application/pdf")],
    "no name": [(None, b"%PDF", "application/pdf")],
    "unknown type": [("a.qqq", b"\0\1", None)],
    "three": [(f"{number}.txt", "x\n", "text/plain") for number in range(3)],
    "eml": [("a.eml", EML, "message/rfc822")],
    "large": [("a.bin", PNG * 300, "application/octet-stream")],
    "line break": [("a\nb.txt", "x", "text/plain")],
}
PAGES = {
    "plain": "<p>Hello</p>\n",
    "umlauts": "<p>Grüße</p>\n",
    "long line": "<p>" + "x" * 3_000 + "</p>\n",
    "crlf": "<p>a</p>\r\n<p>b</p>\r\n",
}


def messages() -> Iterator[tuple[str, Callable[[], EmailMessage]]]:
    """Yield each name with a function that builds the message, afresh for each backend."""

    def simple(**fields: object) -> Callable[[], EmailMessage]:
        given = {"subject": "Hi", "body": "x\n", "from_email": "shop@example.com", "to": ["ann@example.com"], **fields}
        return lambda: EmailMessage(**given)  # type: ignore[arg-type]

    for table, values, field in (
        ("subject", SUBJECTS, "subject"),
        ("body", BODIES, "body"),
        ("to", RECIPIENTS, "to"),
        ("from", SENDERS, "from_email"),
        ("headers", HEADERS, "headers"),
        ("attachment", ATTACHMENTS, "attachments"),
    ):
        for name, value in values.items():
            yield f"{table}: {name}", simple(**{field: value})
    for field in ("cc", "bcc", "reply_to"):
        for name in ("two", "umlaut name", "none"):
            yield f"{field}: {name}", simple(**{field: RECIPIENTS[name]})
    for name, page in PAGES.items():
        yield f"html: {name}", _with_page(page)
        yield f"html only: {name}", _with_page(page, body="")
    yield "html: with attachment", _with_page(PAGES["plain"], attachments=[("a.pdf", b"%PDF", "application/pdf")])
    yield "subtype: html", _html_only
    yield "charset: iso-8859-1", _in_latin_1
    for name, part in (
        ("text", lambda: MIMEText("Grüße\n", "plain", "utf-8")),
        ("pdf", lambda: MIMEApplication(b"%PDF")),
    ):
        yield f"own part: {name}", simple_with_part(part)


def _with_page(page: str, *, body: str = "x\n", **fields: object) -> Callable[[], EmailMessage]:
    def build() -> EmailMessage:
        one = EmailMultiAlternatives("Hi", body, "shop@example.com", ["ann@example.com"], **fields)  # type: ignore[arg-type]
        one.attach_alternative(page, "text/html")
        return one

    return build


def _html_only() -> EmailMessage:
    one = EmailMessage("Hi", "<p>x</p>\n", "shop@example.com", ["ann@example.com"])
    one.content_subtype = "html"
    return one


def _in_latin_1() -> EmailMessage:
    one = EmailMessage("Grüße", "Grüße\n", "shop@example.com", ["ann@example.com"])
    one.encoding = "iso-8859-1"
    return one


def simple_with_part(part: Callable[[], MIMEText | MIMEApplication]) -> Callable[[], EmailMessage]:
    return lambda: EmailMessage("Hi", "x\n", "shop@example.com", ["ann@example.com"], attachments=[part()])
