"""Checks rendered HTML: links, images, unrendered template markup, and the limitations of `mail_clients`.

Opens no address. Line numbers are those of the source, found by searching it for the same text.
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
    """Something wrong with the HTML. `line` is that of the source, 0 if unknown."""

    message: str
    line: int = 0
    is_error: bool = False
    help_url: str = ""


class HtmlDocument:
    """Rendered HTML, with its source and the platform's own address."""

    def __init__(self, html: str, source: str, base_url: str) -> None:
        self.source = source
        self.base_url = base_url.rstrip("/")
        parser = lxml.html.HTMLParser(encoding="utf-8")
        data = html.replace("\x00", "").encode("utf-8", "replace")
        try:
            self.root = lxml.html.document_fromstring(data, parser=parser)
        except lxml.etree.ParserError:  # nothing but comments
            self.root = lxml.html.document_fromstring(b"<p></p>")

    def findings(self) -> list[HtmlFinding]:
        found = [*self.unrendered_markup(), *self.link_findings(), *self.image_findings(), *self.limitation_findings()]
        return list(dict.fromkeys(found))

    # ---------------------------------------------------------------- content

    def elements(self) -> Iterator[lxml.html.HtmlElement]:
        """Yield every element, but no comments, among them conditional ones for Outlook."""
        return (element for element in self.root.iter() if isinstance(element.tag, str))

    def comments(self) -> Iterator[str]:
        """Yield the text of every comment."""
        return (str(comment.text or "") for comment in self.root.iter(lxml.etree.Comment))

    def links(self) -> list[tuple[str, str]]:
        """Return (address, label) of every link."""
        return [(a.get("href", ""), str(a.text_content())) for a in self.root.iter("a", "area") if a.get("href")]

    def words(self) -> str:
        """Return the visible text."""
        return "\n".join(text for text, _element in self.texts())

    def texts(self) -> Iterator[tuple[str, lxml.html.HtmlElement]]:
        """Yield the visible texts, each with the element that it is in or follows."""
        for element in self.root.iter():
            if isinstance(element.tag, str) and element.tag not in {"style", "script"} and element.text:
                yield element.text, element
            if element.tail:
                yield element.tail, element

    # ---------------------------------------------------------------- unrendered markup

    def unrendered_markup(self) -> Iterator[HtmlFinding]:
        shown = [text for text, _element in self.texts()]
        for element in self.elements():
            shown += [value for name, value in element.attrib.items() if name != "style"]
        for text in shown:
            match = UNRENDERED_MARKUP.search(text)
            if match:
                snippet = match.group().strip()
                yield HtmlFinding(unrendered_message(snippet), line_of(self.source, snippet), is_error=True)

    # ---------------------------------------------------------------- addresses

    def link_findings(self) -> Iterator[HtmlFinding]:
        """Yield links that do not work from an email, or are not encrypted."""
        for element in self.root.iter("a", "area"):
            address = element.get("href")
            if address is None or element.get("name") or (address.startswith("#") and len(address) > 1):
                continue
            yield from self.address_findings(address.strip())

    def image_findings(self) -> Iterator[HtmlFinding]:
        """Yield images that cannot be loaded or have no alt text."""
        for number, image in enumerate(self.root.iter("img"), start=1):
            address = (image.get("src") or "").strip()
            line = line_of(self.source, address) or line_of_tag(self.source, "img", number)
            if image.get("alt") is None:
                shown = address if len(address) < 80 else f"{address[:79]}…"
                message = _('The image %(address)s has no alt text; alt="" marks it as decoration.')
                yield HtmlFinding(message % {"address": shown}, line)
            if not address.startswith(("data:", "cid:")):
                yield from self.address_findings(address)

    def address_findings(self, address: str) -> Iterator[HtmlFinding]:
        """Yield what is wrong with the address of a link or an image."""
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
                return  # reported by unrendered_markup
            message = _("“%(address)s” does not work in an email; write the full address, with https://.")
            yield HtmlFinding(message % {"address": shown}, line, is_error=True)
            return
        problem = host_problem(host)
        if problem:
            yield HtmlFinding(problem % {"host": host, "address": shown}, line, is_error=not host)
        elif parts.scheme == "http":
            yield HtmlFinding(insecure_message(shown), line)

    # ---------------------------------------------------------------- limitations of mail clients

    def limitation_findings(self) -> Iterator[HtmlFinding]:
        """Yield one finding for each limitation that applies, however often it does."""
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
        for limitation in LIMITATIONS:
            if applies(limitation, tags, declared, rules, images):
                message = _("%(sentence)s Dropped by %(programs)s.")
                words = {"sentence": str(limitation.sentence), "programs": ", ".join(limitation.dropped_by)}
                yield HtmlFinding(
                    message % words, line_of_limitation(self.source, limitation), help_url=limitation.source
                )


def applies(
    limitation: Limitation, tags: set[str], declared: list[tuple[str, str]], rules: set[str], images: list[str]
) -> bool:
    """Return whether the limitation applies to this HTML."""
    if limitation.kind == "element":
        return limitation.name in tags
    if limitation.kind == "property":
        return any(
            name == limitation.name
            and (not limitation.value or re.fullmatch(limitation.value, value.removesuffix("!important").strip()))
            for name, value in declared
        )
    if limitation.kind == "function":
        return any(re.search(rf"(?<![\w-]){re.escape(limitation.name)}\(", value) for _name, value in declared)
    if limitation.kind == "rule":
        return limitation.name in rules
    if limitation.kind == "image":
        return any(image.split("?")[0].split("#")[0].endswith(limitation.name) for image in images)
    return any(image.startswith(f"{limitation.name}:") for image in images)


def is_harmless_link(element: lxml.html.HtmlElement) -> bool:
    """Return whether it is a link element that does not load a style sheet."""
    return bool(element.tag == "link" and "stylesheet" not in (element.get("rel") or "").lower())


def host_problem(host: str) -> str:
    """Return what is wrong with a host, with placeholders ``host`` and ``address``; empty if readers can reach it."""
    if not host:
        return _("“%(address)s” names no host.")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        reachable = address.is_global
        return _("%(host)s is an IP address; spam filters do not trust it.") if reachable else unreachable_message()
    try:
        name = host.encode("idna").decode().lower()
    except UnicodeError:
        return _("%(host)s is not a host name.")
    if "." not in name or name.endswith(LOCAL_ENDINGS):
        return unreachable_message()
    return "" if HOST.fullmatch(name) else _("%(host)s is not a host name.")


def unreachable_message() -> str:
    return _("%(host)s cannot be reached from outside your network.")


def unrendered_message(snippet: str) -> str:
    return _("“%(snippet)s” is left in the message: template markup that was not replaced.") % {"snippet": snippet}


def insecure_message(address: str) -> str:
    return _("%(address)s does not start with https.") % {"address": address}


# ---------------------------------------------------------------- line numbers


def line_of(source: str, snippet: str) -> int:
    """Return the line, from 1, of the first `snippet`; 0 if there is none."""
    at = source.find(snippet) if snippet else -1
    return source.count("\n", 0, at) + 1 if at >= 0 else 0


def line_of_tag(source: str, tag: str, number: int) -> int:
    """Return the line of occurrence `number` of the tag, or of its last one; 0 if there is none."""
    places = [match.start() for match in re.finditer(rf"<{tag}\b", source, re.IGNORECASE)]
    return source.count("\n", 0, places[min(number, len(places)) - 1]) + 1 if places else 0


def line_of_limitation(source: str, limitation: Limitation) -> int:
    """Return the line of the first match; 0 if there is none in the source, as when it is in a part."""
    patterns = {
        "element": rf"<{limitation.name}\b",
        "property": rf"(?<![\w-]){re.escape(limitation.name)}\s*:"
        + (rf"\s*({limitation.value})" if limitation.value else ""),
        "function": rf"(?<![\w-]){re.escape(limitation.name)}\(",
        "rule": rf"@{limitation.name}",
        "image": re.escape(limitation.name),
        "scheme": rf"{limitation.name}:",
    }
    match = re.search(patterns[limitation.kind], source, re.IGNORECASE)
    return source.count("\n", 0, match.start()) + 1 if match else 0
