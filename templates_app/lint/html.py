"""Looks over rendered HTML: links, images, leftovers, and what `mail_clients` knows to be dropped.

Parses with lxml and opens no address. Lines are those of the source, found by what is written there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import lxml.etree
import lxml.html
from django.utils.translation import gettext as _

from templates_app.lint.mail_clients import LIMITATIONS, Limitation

UNRENDERED_MARKUP = re.compile(r"\{\{.{0,40}|\{%.{0,40}|\{#.{0,40}|\S{0,20}\s?\}\}|\S{0,20}\s?%\}")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
DECLARATION = re.compile(r"(?:^|[{};])\s*(-{0,2}[a-zA-Z][\w-]*)\s*:\s*((?:[^;{}\"'(]|\"[^\"]*\"|'[^']*'|\([^)]*\))*)")
AT_RULE = re.compile(r"@([a-z-]+)", re.IGNORECASE)
HOST = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
LOCAL_ENDINGS = (".local", ".localhost", ".internal", ".invalid", ".test", ".lan")
SAFE_SCHEMES = {"mailto", "tel", "sms"}


@dataclass(frozen=True, slots=True)
class HtmlFinding:
    """Something in the HTML. `line` is the source's, 0 if it cannot be told."""

    message: str
    line: int = 0
    is_error: bool = False
    help_url: str = ""


class HtmlDocument:
    """Rendered HTML, with the source that it came from and the platform's own address."""

    def __init__(self, html: str, source: str, base_url: str) -> None:
        self.source = source
        self.base_url = base_url.rstrip("/")
        parser = lxml.html.HTMLParser(encoding="utf-8")
        data = html.replace("\x00", "").encode("utf-8", "replace")
        try:
            self.root = lxml.html.document_fromstring(data, parser=parser)
        except lxml.etree.ParserError:  # nothing but comments
            self.root = lxml.html.document_fromstring(b"<p></p>")

    def troubles(self) -> list[HtmlFinding]:
        """Return all that is wrong."""
        found = [*self.leftovers(), *self.link_troubles(), *self.image_troubles(), *self.dropped()]
        return list(dict.fromkeys(found))

    # ---------------------------------------------------------------- what is in it

    def elements(self) -> Iterator[lxml.html.HtmlElement]:
        """Give every element; comments, among them those for Outlook alone, are none."""
        return (element for element in self.root.iter() if isinstance(element.tag, str))

    def links(self) -> list[tuple[str, str]]:
        """Return addresses and words of all links."""
        return [(a.get("href", ""), str(a.text_content())) for a in self.root.iter("a", "area") if a.get("href")]

    def words(self) -> str:
        """Return all that can be read."""
        return "\n".join(text for text, _element in self.texts())

    def texts(self) -> Iterator[tuple[str, lxml.html.HtmlElement]]:
        """Give the texts that are shown, each with the element that it stands in or behind."""
        for element in self.root.iter():
            if isinstance(element.tag, str) and element.tag not in {"style", "script"} and element.text:
                yield element.text, element
            if element.tail:
                yield element.tail, element

    # ---------------------------------------------------------------- leftovers

    def leftovers(self) -> Iterator[HtmlFinding]:
        """Give marks of the template that were not replaced."""
        shown = [text for text, _element in self.texts()]
        for element in self.elements():
            shown += [value for name, value in element.attrib.items() if name != "style"]
        for text in shown:
            match = UNRENDERED_MARKUP.search(text)
            if match:
                message = _("“%(snippet)s” is left in the mail: marks of the template that were not replaced.")
                snippet = match.group().strip()
                yield HtmlFinding(message % {"snippet": snippet}, line_of(self.source, snippet), is_error=True)

    # ---------------------------------------------------------------- addresses

    def link_troubles(self) -> Iterator[HtmlFinding]:
        """Give links that lead nowhere or are not secret on their way."""
        for element in self.root.iter("a", "area"):
            address = element.get("href")
            if address is None or element.get("name") or (address.startswith("#") and len(address) > 1):
                continue
            yield from self.address_troubles(address.strip())

    def image_troubles(self) -> Iterator[HtmlFinding]:
        """Give images that cannot be loaded, or say nothing to those who do not see them."""
        for number, image in enumerate(self.root.iter("img"), start=1):
            address = (image.get("src") or "").strip()
            line = line_of(self.source, address) or line_of_tag(self.source, "img", number)
            if image.get("alt") is None:
                shown = address if len(address) < 80 else f"{address[:79]}…"
                message = _('The image %(address)s has no alt text; alt="" says that it is only decoration.')
                yield HtmlFinding(message % {"address": shown}, line)
            if not address.startswith(("data:", "cid:")):
                yield from self.address_troubles(address)

    def address_troubles(self, address: str) -> Iterator[HtmlFinding]:
        """Give what is wrong with one address of a link or an image."""
        shown = address if len(address) < 80 else f"{address[:79]}…"
        line = line_of(self.source, address) if address else 0
        if self.base_url and (
            address == self.base_url or address.startswith((f"{self.base_url}/", f"{self.base_url}?"))
        ):
            return
        try:
            parts = urlsplit(address)
            host = (parts.hostname or "").rstrip(".")
            _port = parts.port
        except ValueError:
            yield HtmlFinding(_("“%(address)s” is not a web address.") % {"address": shown}, line, is_error=True)
            return
        if parts.scheme in SAFE_SCHEMES:
            return
        if parts.scheme not in {"http", "https"}:
            if UNRENDERED_MARKUP.search(address):
                return  # said already
            message = _("“%(address)s” leads nowhere from a mail; write the whole address, with https://.")
            yield HtmlFinding(message % {"address": shown}, line, is_error=True)
            return
        problem = host_problem(host)
        if problem:
            yield HtmlFinding(problem % {"host": host, "address": shown}, line, is_error=not host)
        elif parts.scheme == "http":
            yield HtmlFinding(_("%(address)s does not begin with https.") % {"address": shown}, line)

    # ---------------------------------------------------------------- what mail programs drop

    def dropped(self) -> Iterator[HtmlFinding]:
        """Give one trouble for each known fact that applies, however often."""
        tags = {element.tag for element in self.elements() if not is_harmless_link(element)}
        images = [(image.get("src") or "").strip().lower() for image in self.root.iter("img")]
        styles = [COMMENT.sub(" ", element.get("style") or "") for element in self.elements()]
        sheets = [COMMENT.sub(" ", style.text or "") for style in self.root.iter("style")]
        declared = [
            (name.lower(), value.strip().lower())
            for css in (*styles, *sheets)
            for name, value in DECLARATION.findall(css)
        ]
        rules = {name.lower() for sheet in sheets for name in AT_RULE.findall(sheet)}
        for fact in LIMITATIONS:
            if applies(fact, tags, declared, rules, images):
                message = _("%(sentence)s Dropped by %(programs)s.")
                words = {"sentence": str(fact.sentence), "programs": ", ".join(fact.dropped_by)}
                yield HtmlFinding(message % words, line_of_fact(self.source, fact), help_url=fact.source)


def applies(
    fact: Limitation, tags: set[str], declared: list[tuple[str, str]], rules: set[str], images: list[str]
) -> bool:
    """Return whether the fact is about this page."""
    if fact.kind == "element":
        return fact.name in tags
    if fact.kind == "property":
        return any(
            name == fact.name and (not fact.value or re.fullmatch(fact.value, value.removesuffix("!important").strip()))
            for name, value in declared
        )
    if fact.kind == "function":
        return any(re.search(rf"(?<![\w-]){re.escape(fact.name)}\(", value) for _name, value in declared)
    if fact.kind == "rule":
        return fact.name in rules
    if fact.kind == "image":
        return any(image.split("?")[0].split("#")[0].endswith(fact.name) for image in images)
    return any(image.startswith(f"{fact.name}:") for image in images)


def is_harmless_link(element: lxml.html.HtmlElement) -> bool:
    """Return whether it is a link element that loads no style sheet."""
    return bool(element.tag == "link" and "stylesheet" not in (element.get("rel") or "").lower())


def host_problem(host: str) -> str:
    """Return what is wrong with a host, with places for ``host`` and ``address``; nothing if readers can reach it."""
    if not host:
        return _("“%(address)s” names no host.")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        reachable = address.is_global
        return _("%(host)s is a bare address; spam filters do not trust it.") if reachable else unreachable_message()
    try:
        name = host.encode("idna").decode().lower()
    except UnicodeError:
        return _("%(host)s is not a host name.")
    if "." not in name or name.endswith(LOCAL_ENDINGS):
        return unreachable_message()
    return "" if HOST.fullmatch(name) else _("%(host)s is not a host name.")


def unreachable_message() -> str:
    """Return what to say of a host that only this network knows."""
    return _("%(host)s cannot be reached by those who read the mail.")


# ---------------------------------------------------------------- lines of the source


def line_of(source: str, snippet: str) -> int:
    """Return the line, from 1, on which `snippet` is written first; 0 if it is not."""
    at = source.find(snippet) if snippet else -1
    return source.count("\n", 0, at) + 1 if at >= 0 else 0


def line_of_tag(source: str, tag: str, number: int) -> int:
    """Return the line of the tag's `number`-th occurrence, of its last if there are fewer; 0 if there is none."""
    places = [match.start() for match in re.finditer(rf"<{tag}\b", source, re.IGNORECASE)]
    return source.count("\n", 0, places[min(number, len(places)) - 1]) + 1 if places else 0


def line_of_fact(source: str, fact: Limitation) -> int:
    """Return the line on which the thing is written first; 0 if it is not, as when a part brings it."""
    patterns = {
        "element": rf"<{fact.name}\b",
        "property": rf"(?<![\w-]){re.escape(fact.name)}\s*:" + (rf"\s*({fact.value})" if fact.value else ""),
        "function": rf"(?<![\w-]){re.escape(fact.name)}\(",
        "rule": rf"@{fact.name}",
        "image": re.escape(fact.name),
        "scheme": rf"{fact.name}:",
    }
    match = re.search(patterns[fact.kind], source, re.IGNORECASE)
    return source.count("\n", 0, match.start()) + 1 if match else 0
