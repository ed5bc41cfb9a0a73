"""Finds secrets of a rendered message that would reach somebody other than its reader.

A link or a code that lets its holder in may stand as text, and a link as the whole address of a visible link. As part
of any other address it goes to the server behind that address, in an image even unasked.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from django.utils.translation import gettext as _

from templates_app.content.content import Variable
from templates_app.lint.html import HtmlDocument, HtmlFinding, line_of

ATTRIBUTE = re.compile(r"([\w:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
SHORTEST = 4  # characters: less is found in any text by chance


def secret_findings(
    page: HtmlDocument, variables: Mapping[str, Variable], values: Mapping[str, Any]
) -> Iterator[HtmlFinding]:
    """Yield an error for each secret that leaves with an address. `values` are those that `page` was rendered with."""
    for name, variable in variables.items():
        value = str(values.get(name) or "")
        if variable.secret and len(value) >= SHORTEST and any(leaks(value, *one) for one in addresses(page)):
            message = _(
                "{{ %(name)s }} lets its holder in, so it may stand only as text or as the whole address of a visible "
                "link, not as part of another address."
            )
            yield HtmlFinding(message % {"name": name}, line_of(page.source, name), is_error=True)


def addresses(page: HtmlDocument) -> Iterator[tuple[str, bool]]:
    """Yield what mail programs may open or load: each text, and whether it is the address of a visible link."""
    for element in page.elements():
        is_link = element.tag == "a" and bool(str(element.text_content()).strip())
        for name, text in element.attrib.items():
            yield str(text), is_link and name == "href"
        if element.tag == "style":
            yield element.text or "", False
    for comment in page.comments():  # conditional comments are shown by Outlook
        for name, double, single in ATTRIBUTE.findall(comment):
            yield html.unescape(double or single), name == "href"


def leaks(secret: str, text: str, is_link: bool) -> bool:
    """Whether `text` holds the secret, as it is or percent-encoded, and is not a link to exactly it."""
    if is_link and text.strip() == secret:
        return False
    return any(one in text for one in {secret, quote(secret, safe=""), quote_plus(secret), quote(secret)})
