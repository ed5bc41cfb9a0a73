"""Refuses HTML that is nested so deeply that css-inline, which recurses, would overflow the stack and end the process.

The depth is an upper bound for whatever tree a parser builds. So an end tag counts only where it closes the element
opened last, and large HTML must read the same to every parser: no stray angle brackets and no elements with parsing
rules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ALWAYS_SAFE = 1_500  # tags, however nested; about 8,000 overflow the stack of a thread
MAX_DEPTH = 100  # in larger HTML, not counting the elements in UNCOUNTED
UNCLEAN = f"HTML with more than {ALWAYS_SAFE} tags must be free of markup errors."

TOKEN = re.compile(
    r"""<!--(?!-?>)(?:(?!--).)*+-->
      | <!doctype[^<>]*+>
      | </(?P<end>[a-z][a-z0-9]*+)\s*+>
      | <(?P<start>[a-z][a-z0-9]*+)
         (?:\s++[a-z][a-z0-9:_-]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'=<>`]++))?+)*+\s*+/?+>
      | [^<]++""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
SPECIAL = frozenset(
    {"frameset", "iframe", "listing", "math", "noembed", "noframes", "noscript", "plaintext", "pre", "script", "select"}
    | {"svg", "template", "textarea", "xmp"}
)
RAW_TEXT = frozenset({"style", "title"})  # everything up to the same end tag is text
# Void elements, and those that the next of their kind closes: they nest only with a counted element in between.
UNCOUNTED = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "option", "param", "source"}
    | {"tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr"}
)
# Elements whose end tag may be left out: the next one of these kinds closes them, and so does the end of a block.
CLOSED_BY = {"p": {"p"}, "li": {"li"}, "dt": {"dt", "dd"}, "dd": {"dt", "dd"}}
ITEMS = frozenset({"li", "dt", "dd"})
BLOCKS = frozenset({"blockquote", "center", "dd", "div", "dl", "dt", "li", "ol", "section", "table", "ul"})


class TooDeepError(ValueError):
    """HTML may be nested too deeply; the message is a sentence for people."""


def check_depth(html: str) -> None:
    """Raise TooDeepError if elements may be nested so deeply that a recursive parser overflows the stack."""
    if html.count("<") - html.count("</") <= ALWAYS_SAFE:
        return
    opened: list[str] = []
    for is_start, name in tags(html):
        at = len(opened) - 1
        if not is_start:
            while name in BLOCKS and at > 0 and opened[at] != name and opened[at] in CLOSED_BY:
                at -= 1
            if at >= 0 and opened[at] == name:
                del opened[at:]
        elif name not in UNCOUNTED:
            while name in ITEMS and at > 0 and opened[at] == "p":
                at -= 1
            if at >= 0 and name in CLOSED_BY.get(opened[at], ()):
                del opened[at:]
            opened.append(name)
            if len(opened) > MAX_DEPTH:
                raise TooDeepError(f"HTML elements are nested more than {MAX_DEPTH} levels deep, or left open.")


def tags(html: str) -> Iterator[tuple[bool, str]]:
    """Yield each tag as (is it a start tag, name in lower case). Raises TooDeepError for HTML with markup errors."""
    lowered, at = html.lower(), 0
    while at < len(html):
        token = TOKEN.match(html, at)
        start = token["start"].lower() if token and token["start"] else ""
        if token is None or start in SPECIAL or len(lowered) != len(html):
            raise TooDeepError(UNCLEAN)
        at = token.end()
        if start:
            yield True, start
        elif token["end"]:
            yield False, token["end"].lower()
        if start in RAW_TEXT:
            at = lowered.find(f"</{start}", at)
            if at < 0:
                raise TooDeepError(UNCLEAN)
