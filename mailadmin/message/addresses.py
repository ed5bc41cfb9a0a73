"""Email addresses: parsed strictly, one mailbox each, and compared by one rule.

Owns the project's only address parser (on top of email-validator) and the patterns of the recipient allow-list. Never
uses the network, never guesses: a group, a list, a comment or a route is refused, because clients silently use the
first address in such a text. Error texts are for people and never repeat the input's control characters.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import idna
from email_validator import EmailNotValidError, validate_email

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ADDR_SPEC = 254  # octets, RFC 5321 4.5.3.1.3 with RFC 3696 erratum 1690
MAX_LOCAL = 64  # octets, RFC 5321 4.5.3.1.1
MAX_DISPLAY_NAME = 200  # characters, a limit of our own: one or two folded header lines
MAX_TEXT = 1000  # characters of one mailbox, checked before anything expensive

# C0, DEL, C1, line and paragraph separator, lone surrogates: in no header field, in no address (security.md).
CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]"
_LABEL = r"(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
# A host name with a dot whose last label ends in a letter, or localhost, for local relays and tests.
_HOST = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z0-9-]*[a-z]\Z){_LABEL}|localhost")
# Not allowed unquoted in an addr-spec (RFC 5322 3.2.3 specials and the space).
_SPECIALS = re.compile(r'[\s()<>\[\]:;@\\,"]')
_ANGLED = re.compile(r'(?P<phrase>(?:[^"<>]|"(?:[^"\\]|\\.)*")*)<(?P<spec>[^<>]*)>')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_QUOTED_PAIR = re.compile(r"\\(.)")
_PHRASE = re.compile(r'(?:[^"()<>\[\]:;@\\,]|"(?:[^"\\]|\\.)*")*')
_SHOWN = 60  # characters of a refused address repeated in an error


class AddressError(ValueError):
    """A text that is not exactly one valid mailbox; the message says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox. `domain` is in lower case and readable (U-labels, NFC); `envelope` is for the wire."""

    display_name: str
    local: str
    domain: str

    def __post_init__(self) -> None:
        """Refuse parts that would break out of a header or an SMTP command, however the object is created.

        `=?` as well: some readers decode it as an encoded word, which RFC 2047 5 (3) forbids in an address.
        """
        if CONTROL_CHARACTERS.search(self.display_name + self.local + self.domain):
            raise AddressError("contains a control character")
        spec = self.local + self.domain
        if not self.local or not self.domain or "=?" in spec or _SPECIALS.search(spec):
            raise AddressError("is not an email address")

    @property
    def addr_spec(self) -> str:
        """`local@domain` as people read it, for display, the log and the search."""
        return f"{self.local}@{self.domain}"

    @property
    def envelope(self) -> str:
        """`local@domain` for SMTP: the domain as IDNA 2008 A-labels (RFC 5891), the local part unchanged."""
        return f"{self.local}@{self.domain if self.domain.isascii() else a_labels(self.domain)}"

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
            name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{name} <{self.addr_spec}>"


def parse_address(text: str) -> Address:
    """Parse exactly one mailbox: `ann@x.org`, `Ann <ann@x.org>` or `"Lee, Ann" <ann@x.org>`.

    Surrounding spaces are dropped. Raises AddressError for anything else: lists, groups, comments, routes, control
    characters (C0, C1, U+2028/9, lone surrogates), an address over 254 octets, a local part over 64 octets, a display
    name over 200 characters (RFC 5321 4.5.3.1, RFC 5322 3.4 without its obsolete forms).
    """
    if not isinstance(text, str):
        raise AddressError("is not text")
    return _parse(text)


@lru_cache(maxsize=1024)  # the same senders recur
def _parse(text: str) -> Address:
    text = text.strip(" ")
    if not text:
        raise AddressError("is empty")
    if len(text) > MAX_TEXT:
        raise AddressError("is too long")
    if CONTROL_CHARACTERS.search(text):
        raise AddressError("contains a control character")
    if not text.endswith(">"):
        return Address("", *_parse_addr_spec(text))
    angled = _ANGLED.fullmatch(text)
    if angled is None:
        raise AddressError(_why_not_one(text))
    name = _parse_phrase(angled["phrase"].strip(" "))
    return Address(name, *_parse_addr_spec(angled["spec"]))


def parse_addresses(texts: Iterable[str], *, limit: int = 500) -> tuple[Address, ...]:
    """Parse texts of one mailbox each; duplicates, ignoring case, are dropped and the order is kept.

    Raises AddressError naming the invalid item, for more than `limit` different addresses, or for a str instead of a
    list.
    """
    if isinstance(texts, (str, bytes)):
        raise AddressError("must be a list of addresses, not one text")
    found: dict[str, Address] = {}
    for text in texts:
        try:
            address = parse_address(text)
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


def parse_pattern(text: str) -> str:
    """Parse an allow-list pattern, `ann@example.com` or `*@example.com`, for `matches`.

    Raises AddressError for anything else; a star replaces only the whole local part.
    """
    if not isinstance(text, str):
        raise AddressError("is not text")
    text = text.strip(" ")
    if text.startswith("*@"):
        return "*@" + parse_address("any" + text[1:]).domain
    address = parse_address(text)
    if address.display_name or "*" in address.local:
        raise AddressError("is neither an address nor a pattern such as *@example.com")
    return address.addr_spec.lower()


def matches(pattern: str, addr_spec: str) -> bool:
    """Return whether an `Address.addr_spec` matches a pattern from `parse_pattern`, ignoring case."""
    addr_spec = addr_spec.lower()
    if pattern.startswith("*@"):
        return addr_spec.rpartition("@")[2] == pattern[2:]
    return addr_spec == pattern


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


def _parse_addr_spec(spec: str) -> tuple[str, str]:
    """Return the local part and the readable domain of `local@domain`."""
    local, at, domain = spec.rpartition("@")
    if not at or not local or not domain:
        raise AddressError(_why_not_one(spec))
    domain = domain.lower()
    if len(local.encode()) > MAX_LOCAL:
        raise AddressError(f"has more than {MAX_LOCAL} octets before the @")
    if _SPECIALS.search(local) or _SPECIALS.search(domain):
        raise AddressError(_why_not_one(spec))
    plain_domain = _HOST.fullmatch(domain) is not None
    if not (plain_domain and _DOT_ATOM.fullmatch(local)):
        # email-validator refuses special-use names (localhost, .local, .test), which local relays use. A plain host
        # name has already been checked above.
        local, domain = _validate(local, "example.com" if plain_domain else domain, domain if plain_domain else "")
    wire_domain = domain if domain.isascii() else a_labels(domain)
    if len(local.encode()) + 1 + max(len(domain.encode()), len(wire_domain)) > MAX_ADDR_SPEC:
        raise AddressError(f"has more than {MAX_ADDR_SPEC} octets")
    return local, domain


def _validate(local: str, domain: str, checked_domain: str) -> tuple[str, str]:
    """Validate non-ASCII parts with email-validator; `checked_domain`, if given, is returned as the domain."""
    try:
        valid = validate_email(f"{local}@{domain}", check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise AddressError("is not an email address") from error
    return unicodedata.normalize("NFC", local), checked_domain or valid.domain


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
