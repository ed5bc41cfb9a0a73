"""Email addresses: parsed strictly, one mailbox each, and compared by one rule.

Owns the project's only address parser (on top of email-validator). Never uses the network, never guesses: a group, a
list, a comment or a route is refused, because clients silently use the first address in such a text. Quoted local parts
and address literals are taken, and what mail servers hand out against RFC 5321 (`a..b@`, `ann.@`, more than 64 octets
before the @). Error texts are for people and never repeat the input's control characters.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

import idna
from django.conf import settings
from email_validator import EmailNotValidError, validate_email

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ADDR_SPEC = 254  # octets, RFC 5321 4.5.3.1.3 with RFC 3696 erratum 1690
MAX_DISPLAY_NAME = 200  # characters, a limit of our own: one or two folded header lines
MAX_TEXT = 1000  # characters of one mailbox, checked before anything expensive

# C0, DEL, C1, line and paragraph separator, lone surrogates: in no header field, in no address (security.md). Only the
# tab is white space there (RFC 5322 2.2.2); it is written as a space.
CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]"
_LABEL = r"(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_DOTS_ANYWHERE = re.compile(rf"(?:{_ATEXT}|\.)*{_ATEXT}(?:{_ATEXT}|\.)*")  # obs-local-part, and dots at the ends
# A host name with a dot whose last label ends in a letter, or localhost, for local relays and tests.
_HOST = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z0-9-]*[a-z]\Z){_LABEL}|localhost")
_SINGLE_LABEL = re.compile(rf"(?=.*[a-z]){_LABEL}")  # a machine's own name, such as web01
_LITERAL = re.compile(r"\[(?:(?P<v4>[0-9.]+)|ipv6:(?P<v6>[0-9a-f:.]+))\]")  # RFC 5321 4.1.3
# Not allowed unquoted in an addr-spec (RFC 5322 3.2.3 specials and the space).
_SPECIALS = re.compile(r'[\s()<>\[\]:;@\\,"]')
_ANGLED = re.compile(r'(?P<phrase>(?:[^"<>]|"(?:[^"\\]|\\.)*")*)<(?P<spec>(?:"(?:[^"\\]|\\.)*")?[^<>"]*)>')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_QUOTED_PAIR = re.compile(r"\\(.)")
_PHRASE = re.compile(r'(?:[^"()<>\[\]:;@\\,]|"(?:[^"\\]|\\.)*")*')
_SHOWN = 60  # characters of a refused address repeated in an error


class AddressError(ValueError):
    """A text that is not exactly one valid mailbox; the message says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox. `domain` is in lower case and readable (U-labels, NFC); `envelope` is for the wire.

    `local` is without quotation marks; the texts made of it have them where they are needed.
    """

    display_name: str
    local: str
    domain: str

    def __post_init__(self) -> None:
        """Refuse parts that would break out of a header or an SMTP command, however the object is created.

        `=?` as well: some readers decode it as an encoded word, which RFC 2047 5 (3) forbids in an address.
        """
        if CONTROL_CHARACTERS.search(self.display_name + self.local + self.domain):
            raise AddressError("contains a control character")
        has_special = _SPECIALS.search(self.domain) and not _LITERAL.fullmatch(self.domain)
        if not self.local or not self.domain or has_special or "=?" in self.local + self.domain or "\t" in self.local:
            raise AddressError("is not an email address")
        if not self.local.isascii() and _SPECIALS.search(self.local):
            raise AddressError("is not an email address")

    @property
    def addr_spec(self) -> str:
        """`local@domain` as people read it, for display, the log and the search."""
        local = self.local if not _SPECIALS.search(self.local) else _quoted(self.local)
        return f"{local}@{self.domain}"

    @property
    def envelope(self) -> str:
        """`local@domain` for SMTP and header fields: the domain as IDNA 2008 A-labels (RFC 5891).

        The local part is quoted unless it is a dot-atom: `"a..b"@` is the mailbox that RFC 5321 4.1.2 knows no other
        spelling for.
        """
        local = self.local if not self.local.isascii() or _DOT_ATOM.fullmatch(self.local) else _quoted(self.local)
        return f"{local}@{self.domain if self.domain.isascii() else a_labels(self.domain)}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 (RFC 6531) accepts this address."""
        return not self.local.isascii()

    def __str__(self) -> str:
        """Return the readable form; `parse_address` turns it back into an equal address."""
        if not self.display_name:
            return self.addr_spec
        name = self.display_name
        if not _PHRASE.fullmatch(name) or '"' in name or name[0] == "." or name.strip() != name:
            name = _quoted(name)
        return f"{name} <{self.addr_spec}>"


def parse_address(text: str, *, single_label: bool | None = None) -> Address:
    """Parse exactly one mailbox: `ann@x.org`, `Ann <ann@x.org>` or `"Lee, Ann" <ann@x.org>`.

    Surrounding white space is dropped. `single_label`: whether the domain may be a host name without a dot; None is
    what ``MAIL_SINGLE_LABEL_HOSTS`` says. Raises AddressError for anything else: lists, groups, comments, routes,
    control characters (C0, C1, U+2028/9, lone surrogates), an address over 254 octets, a display name over 200
    characters (RFC 5321 4.5.3.1, RFC 5322 3.4).
    """
    if not isinstance(text, str):
        raise AddressError("is not text")
    return _parse(text, single_label_hosts() if single_label is None else single_label)


def single_label_hosts() -> bool:
    """Return whether ``MAIL_SINGLE_LABEL_HOSTS`` allows `root@web01`. No, while the settings are being read."""
    return settings.configured and bool(getattr(getattr(settings, "MAIL", None), "single_label_hosts", False))


@lru_cache(maxsize=1024)  # the same senders recur
def _parse(text: str, single_label: bool) -> Address:
    text = text.replace("\t", " ").strip(" ")
    if not text:
        raise AddressError("is empty")
    if len(text) > MAX_TEXT:
        raise AddressError("is too long")
    if CONTROL_CHARACTERS.search(text):
        raise AddressError("contains a control character")
    if not text.endswith(">"):
        return Address("", *_parse_addr_spec(text, single_label))
    angled = _ANGLED.fullmatch(text)
    if angled is None:
        raise AddressError(_why_not_one(text))
    name = _parse_phrase(angled["phrase"].strip(" "))
    return Address(name, *_parse_addr_spec(angled["spec"], single_label))


def parse_addresses(texts: Iterable[str], *, limit: int = 500, single_label: bool | None = None) -> tuple[Address, ...]:
    """Parse texts of one mailbox each; duplicates, ignoring case, are dropped and the order is kept.

    Raises AddressError naming the invalid item, for more than `limit` different addresses, or for a str instead of a
    list.
    """
    if isinstance(texts, (str, bytes)):
        raise AddressError("must be a list of addresses, not one text")
    found: dict[str, Address] = {}
    for text in texts:
        try:
            address = parse_address(text, single_label=single_label)
        except AddressError as error:
            raise AddressError(f"{_shown(text)} {error}") from error
        found.setdefault(address.addr_spec.lower(), address)
        if len(found) > limit:
            raise AddressError(f"contains more than {limit} addresses")
    return tuple(found.values())


def split_addresses(text: str) -> list[str]:
    """Split the text of a form field at commas, semicolons and line breaks outside quotes.

    For forms only; each item still has to pass `parse_address`. Empty items are dropped.
    """
    items: list[str] = []
    start = 0
    quoted = escaped = False
    for place, character in enumerate(text):
        if character in "\r\n" or (character in ",;" and not quoted):
            items.append(text[start:place])
            start = place + 1
            quoted = escaped = False
        elif escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
    items.append(text[start:])
    return [item for item in (item.strip() for item in items) if item]


@lru_cache(maxsize=1024)
def a_labels(domain: str) -> str:
    """Return a readable domain as IDNA 2008 A-labels (RFC 5891), for the wire. Raises AddressError."""
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise AddressError("has a domain name that mail servers cannot use") from error


def _parse_phrase(phrase: str) -> str:
    """Return the display name: words and quoted strings (RFC 5322 3.2.5); dots and non-ASCII letters are allowed."""
    if not _PHRASE.fullmatch(phrase):
        raise AddressError(_why_not_one(phrase))
    whole = _QUOTED.fullmatch(phrase)
    name = _QUOTED_PAIR.sub(r"\1", whole[1]) if whole else _QUOTED.sub(lambda m: _QUOTED_PAIR.sub(r"\1", m[1]), phrase)
    name = unicodedata.normalize("NFC", name)
    if len(name) > MAX_DISPLAY_NAME:
        raise AddressError(f"has a name of more than {MAX_DISPLAY_NAME} characters")
    return name


def _parse_addr_spec(spec: str, single_label: bool) -> tuple[str, str]:
    """Return the local part, without quotation marks, and the readable domain of `local@domain`."""
    local, at, domain = spec.rpartition("@")
    if not at or not local or not domain:
        raise AddressError(_why_not_one(spec))
    quoted = _QUOTED.fullmatch(local)
    local = _QUOTED_PAIR.sub(r"\1", quoted[1]) if quoted else local
    domain = domain.lower()
    if (not quoted and _SPECIALS.search(local)) or (_SPECIALS.search(domain) and not _is_literal(domain)):
        raise AddressError(_why_not_one(spec))
    plain_domain = _HOST.fullmatch(domain) is not None or _is_literal(domain)
    if not plain_domain and _SINGLE_LABEL.fullmatch(domain):
        if not single_label:
            raise AddressError("has a domain without a dot (MAIL_SINGLE_LABEL_HOSTS=true allows it)")
        plain_domain = True
    if quoted and not local.isascii():
        raise AddressError("is not an email address")
    plain_local = quoted is not None or _DOTS_ANYWHERE.fullmatch(local) is not None
    if not (plain_domain and plain_local):
        # email-validator refuses special-use names (localhost, .local, .test), which local relays use, and what is not
        # a dot-atom. What was checked above is replaced.
        local, domain = _validate(
            local, "any" if plain_local else local, "example.com" if plain_domain else domain, domain * plain_domain
        )
    address = Address("", local, domain)
    if max(len(address.addr_spec.encode()), len(address.envelope.encode())) > MAX_ADDR_SPEC:
        raise AddressError(f"has more than {MAX_ADDR_SPEC} octets")
    return local, domain


def _is_literal(domain: str) -> bool:
    """Return whether `domain`, in lower case, is an address literal: `[192.0.2.1]` or `[ipv6:2001:db8::1]`."""
    literal = _LITERAL.fullmatch(domain)
    if literal is None:
        return False
    try:
        return ip_address(literal["v4"] or literal["v6"]).version == (4 if literal["v4"] else 6)
    except ValueError:
        return False


def _validate(local: str, checked_local: str, domain: str, known_domain: str) -> tuple[str, str]:
    """Validate non-ASCII parts with email-validator; `known_domain`, if given, is returned as the domain."""
    try:
        valid = validate_email(
            f"{checked_local}@{domain}", check_deliverability=False, test_environment=True, strict=False
        )
    except EmailNotValidError as error:
        raise AddressError("is not an email address") from error
    return unicodedata.normalize("NFC", local), known_domain or valid.domain


def _quoted(text: str) -> str:
    """Return `text` as a quoted-string (RFC 5322 3.2.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _why_not_one(text: str) -> str:
    """Return the most helpful error for a text that is not one mailbox, looking only outside quotes."""
    bare = _QUOTED.sub("", text)
    if bare.count("@") > 1 or "," in bare or ";" in bare:
        return "contains more than one address; give one each, and put a name with , ; or @ in quotation marks"
    if "(" in bare or ")" in bare:
        return "contains a comment in parentheses; remove it"
    if '"' in bare:
        return "contains a stray quotation mark"
    return "is not an email address"


def _shown(text: object) -> str:
    """Return refused input for an error: one line, shortened, control characters replaced."""
    if not isinstance(text, str):
        return "one item"
    shown = CONTROL_CHARACTERS.sub("�", text[: _SHOWN + 1])
    return f"“{shown[:_SHOWN]}…”" if len(shown) > _SHOWN else f"“{shown}”"
