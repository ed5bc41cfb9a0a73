"""Makes a message's plain text from its HTML, where the template has none. Links keep their address."""

from __future__ import annotations

import re

import lxml.html
from inscriptis import Inscriptis
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml.etree import LxmlError

_config = ParserConfig(css=CSS_PROFILES["strict"], display_links=False, display_images=False)


class UnreadableError(ValueError):
    """No plain text can be made from some HTML; the message is a sentence for people."""


def plain_text_of(html: str) -> str:
    """Return the plain text of `html`, ending in one line break; empty if it has no text.

    Raises UnreadableError.
    """
    if not html.strip():
        return ""
    try:
        text = tree_text(lxml.html.document_fromstring(html, parser=lxml.html.HTMLParser(huge_tree=True)))
    except (LxmlError, ValueError, RecursionError) as error:
        raise UnreadableError("No plain text can be made from this HTML. Write it yourself.") from error
    lines = [line.strip() for line in text.splitlines()]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return f"{text}\n" if text else ""


def tree_text(tree: lxml.html.HtmlElement) -> str:
    """Return the text of a document, with each link's address after its label."""
    for link in tree.iter("a"):
        address = (link.get("href") or "").strip()
        words = " ".join(link.text_content().split())
        if address.startswith(("https://", "http://", "mailto:")) and words:
            shown = address.removeprefix("mailto:")
            if shown != words:
                append_text(link, f" ({shown})")
    return str(Inscriptis(tree, _config).get_text())


def append_text(element: lxml.html.HtmlElement, text: str) -> None:
    """Add `text` at the end of `element`."""
    children = list(element)
    if children:
        children[-1].tail = (children[-1].tail or "") + text
    else:
        element.text = (element.text or "") + text
