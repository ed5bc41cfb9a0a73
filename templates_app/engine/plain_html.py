"""Reads HTML that is written without errors, about which no two parsers differ; refuses to guess about any other."""

from __future__ import annotations

import re
from collections.abc import Iterator

# HTML about which no two parsers differ. Whatever else there is makes a skeleton that is not used.
ELEMENT = re.compile(
    r"""(?P<comment><!--(?!-?>)(?:(?!--).)*+-->)
      | (?P<doctype><!doctype[^<>]*+>)
      | </(?P<end>[a-z][a-z0-9]*+)\s*+>
      | <(?P<tag>[a-z][a-z0-9]*+)
         (?P<attributes>(?:\s++[a-z][a-z0-9:_-]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'=<>`]++))?+)*+)\s*+/?+>
      | (?P<text>[^<]++)""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
# Inside them other rules hold for texts and tags.
SPECIAL = frozenset(
    {"frameset", "iframe", "listing", "math", "noembed", "noframes", "noscript", "plaintext", "pre", "script", "select"}
    | {"svg", "template", "textarea", "xmp"}
)
RAW = frozenset({"style", "title"})  # what is inside ends with the same tag
# They end by themselves where the next one begins, or hold nothing: they are never nested without another one between.
FLAT = frozenset(
    {"area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "option", "p"}
    | {"param", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr"}
)
MOST_TAGS = 1_500  # that may be nested whichever way; 8,000 overflow the stack of a thread
MOST_DEPTH = 100  # of larger HTML, not counting the elements above


class NotPlainError(ValueError):
    """Two parsers might differ about this HTML."""


def tokens(html: str) -> Iterator[tuple[str, str, str]]:
    """Yield what `html` consists of: kind, name of the element and text. Raises NotPlainError.

    Kinds are start (with the attributes), end, text, raw (what is inside a style sheet or title) and other (comments).
    """
    folded = html.lower()
    if len(folded) != len(html):
        raise NotPlainError
    at = 0
    while at < len(html):
        match = ELEMENT.match(html, at)
        if match is None:
            raise NotPlainError
        at = match.end()
        if match["tag"]:
            tag = match["tag"].lower()
            if tag in SPECIAL:
                raise NotPlainError
            yield "start", tag, match["attributes"]
            if tag in RAW:
                end = folded.find(f"</{tag}", at)
                if end < 0:
                    raise NotPlainError
                yield "raw", tag, html[at:end]
                at = end
        elif match["end"]:
            yield "end", match["end"].lower(), ""
        else:
            yield ("other" if match["text"] is None else "text"), "", match[0]


class TooDeepError(ValueError):
    """Elements are nested too deeply; the text is a plain sentence."""


def check_depth(html: str) -> None:
    """Raise TooDeepError if elements may be nested so deeply that css-inline, which recurses, would crash the process.

    An end tag counts only where it ends the last open element, so that whatever a parser makes of the rest, nothing is
    nested deeper than it seems here.
    """
    if html.count("<") - html.count("</") <= MOST_TAGS:
        return
    opened: list[str] = []
    try:
        for kind, name, _ in tokens(html):
            if kind == "start" and name not in FLAT:
                opened.append(name)
                if len(opened) > MOST_DEPTH:
                    raise TooDeepError(f"HTML elements are nested more than {MOST_DEPTH} deep, or not closed.")
            elif kind == "end" and opened and opened[-1] == name:
                opened.pop()
    except NotPlainError as error:
        raise TooDeepError(f"HTML with more than {MOST_TAGS} tags must be written without errors.") from error
