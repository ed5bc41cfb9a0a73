"""Writes the CSS of a rendered mail into its elements, because many mail programs read no style sheets.

css-inline does it. Most of its work is the same for every mail of a template, so that the inlined *skeleton* is kept:
the HTML in which texts that differ from mail to mail are replaced by marks. Inlining a skeleton and then filling in the
texts gives what inlining the whole gives, under conditions that are checked here, and whose reasons are in
docs/decisions/0005-what-templates-are-rendered-with.md; where one does not hold, the whole is inlined. Nothing is
loaded from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import css_inline

from templates_app.engine.plain_html import NotPlainError, TooDeepError, check_depth, tokens

LONGEST_KEPT = 100_000  # characters of a skeleton
KEPT = 256  # skeletons
SHORTEST_WORD = 8  # characters of a value that is looked for in what a macro made
MOST_WORDS = 20

# A text that may be filled in later: it begins with something visible and holds whole, escaped characters only.
FILLABLE = re.compile(r"(?=\S)(?:[^<>&\"'\x00\r\ue000\ue001]|&(?:amp|lt|gt|#34|#39);)++")
MARK = re.compile("\ue000([0-9]+)\ue001")
OPEN_REFERENCE = re.compile(r"&[#\w]*\Z")  # what follows could complete it: &{{ name }};

ATTRIBUTE = re.compile(
    r"""([a-z][a-z0-9:_-]*+)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'=<>`]++)))?+""", re.IGNORECASE
)
FREE_ATTRIBUTES = frozenset({"href", "src", "alt", "title"})  # no rule of CSS but an attribute selector reads them


class StyleError(ValueError):
    """CSS cannot be inlined; the text is a plain sentence."""


_inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def inline(chunks: list[str], words: Iterable[str] = ()) -> str:
    """Return the HTML whose pieces are `chunks`, with its CSS inlined. Raises StyleError.

    Pieces of the exact type str are the template's own; others (Markup) came out of values. `words` are escaped texts
    that differ from mail to mail; they are looked for in pieces that a macro made. Wrong guesses cost time only.
    """
    skeleton, fillings = skeleton_of(chunks, words)
    if skeleton is None or len(skeleton) > LONGEST_KEPT:
        return inline_whole("".join(chunks))
    plan = plan_of(skeleton)
    if plan.fixed:
        # A colour in a style sheet, a class: these texts belong to the skeleton.
        plan = plan_of(with_fixed(skeleton, plan.fixed, fillings))
    if not plan.pieces:
        return inline_whole("".join(chunks))
    return fill(plan.pieces, fillings)


def inline_whole(html: str) -> str:
    """Return `html` with its CSS inlined; what cannot be (@media, dark mode) stays in the head. Raises StyleError."""
    try:
        check_depth(html)
        return _inliner.inline(html)
    except TooDeepError as error:
        raise StyleError(str(error)) from error
    except css_inline.InlineError as error:
        raise StyleError(f"The CSS cannot be read: {error}.") from error


def skeleton_of(chunks: list[str], words: Iterable[str]) -> tuple[str | None, list[str]]:
    """Return the HTML with numbered marks and the texts that belong there, or None if it holds such marks already."""
    wanted = sorted({word for word in words if len(word) >= SHORTEST_WORD}, key=len, reverse=True)[:MOST_WORDS]
    pieces: list[str] = []
    fillings: list[str] = []
    for chunk in chunks:
        if type(chunk) is str:
            if "\ue000" in chunk or "\ue001" in chunk:
                return None, []
            pieces.append(chunk)
        elif FILLABLE.fullmatch(chunk):
            append(pieces, fillings, chunk)
        elif "\ue000" in chunk or "\ue001" in chunk:
            return None, []
        else:
            for piece, is_word in split(str.__str__(chunk), wanted):
                if is_word and FILLABLE.fullmatch(piece):
                    append(pieces, fillings, piece)
                else:
                    pieces.append(piece)
    return "".join(pieces), fillings


def append(pieces: list[str], fillings: list[str], text: str) -> None:
    """Put a mark for `text`, or the text itself where it could complete a character reference."""
    before = pieces[-1] if pieces else ""
    if "&" in before[-40:] and OPEN_REFERENCE.search("".join(pieces[-3:])):
        pieces.append(str.__str__(text))
        return
    pieces.append(f"\ue000{len(fillings)}\ue001")
    fillings.append(str.__str__(text))


def split(text: str, words: list[str]) -> list[tuple[str, bool]]:
    """Return `text` in pieces, each with whether it is one of `words`; longer words win."""
    pieces = [(text, False)]
    for word in words:
        if word not in text:
            continue
        found: list[tuple[str, bool]] = []
        for piece, is_word in pieces:
            if is_word:
                found.append((piece, True))
                continue
            for number, part in enumerate(piece.split(word)):
                if number:
                    found.append((word, True))
                if part:
                    found.append((part, False))
        pieces = found
    return pieces


class Plan(NamedTuple):
    """What to do with a skeleton: fill in its inlined `pieces`, or first put the `fixed` texts into it, or neither.

    A piece is HTML, the number of the text after it (-1: none) and whether that text is in an attribute.
    """

    pieces: tuple[tuple[str, int, bool], ...] = ()
    fixed: frozenset[int] = frozenset()


@lru_cache(maxsize=KEPT)
def plan_of(skeleton: str) -> Plan:
    """Return what to do with `skeleton`. Costs as much as inlining; kept for the next mail."""
    places = Places()
    if not places.read(skeleton):
        return Plan()
    if places.fixed:
        return Plan(fixed=frozenset(places.fixed))
    pieces = MARK.split(inline_whole(skeleton))
    numbers = [int(number) for number in pieces[1::2]]
    if lost := places.found.keys() - set(numbers):
        return Plan(fixed=frozenset(lost))  # part of a rule, or of an attribute given twice
    filled = tuple((pieces[2 * at], number, places.found[number]) for at, number in enumerate(numbers))
    return Plan(pieces=(*filled, (pieces[-1], -1, False)))


def with_fixed(skeleton: str, fixed: frozenset[int], fillings: list[str]) -> str:
    """Return `skeleton` with the texts of these numbers in it."""

    def text(match: re.Match[str]) -> str:
        number = int(match[1])
        return fillings[number] if number in fixed else match[0]

    return MARK.sub(text, skeleton)


class Places:
    """Where the marks are: `found` says for each whether it is in an attribute; those `fixed` must not stay."""

    def __init__(self) -> None:
        self.found: dict[int, bool] = {}
        self.fixed: set[int] = set()

    def read(self, skeleton: str) -> bool:
        """Read the whole; return False if two parsers might differ about it."""
        styles: list[str] = []
        try:
            for kind, name, text in tokens(skeleton):
                if kind == "start":
                    self.add_attributes(text)
                else:
                    self.add(text, fixed=kind == "other" or name == "style")
                    if name == "style":
                        styles.append(text)
        except NotPlainError:
            return False
        if any("[" in style for style in styles):  # a selector may read attributes
            self.fixed.update(number for number, in_attribute in self.found.items() if in_attribute)
        return True

    def add(self, text: str, *, fixed: bool = False, in_attribute: bool = False) -> None:
        """Note the marks in `text`."""
        for found in MARK.findall(text):
            number = int(found)
            self.found[number] = in_attribute
            if fixed:
                self.fixed.add(number)

    def add_attributes(self, attributes: str) -> None:
        """Note the marks among a tag's attributes. Unquoted ones must stay, for a blank would end them."""
        if "\ue000" in attributes:
            for name, double, single, bare in ATTRIBUTE.findall(attributes):
                self.add(double or single, fixed=name.lower() not in FREE_ATTRIBUTES, in_attribute=True)
                self.add(bare, fixed=True, in_attribute=True)


def fill(plan: tuple[tuple[str, int, bool], ...], fillings: list[str]) -> str:
    """Return the HTML, its texts written as css-inline writes them."""
    out: list[str] = []
    for html, number, in_attribute in plan:
        out.append(html)
        if number >= 0:
            text = fillings[number]
            if "&#" in text:
                text = text.replace("&#39;", "'").replace("&#34;", "&quot;" if in_attribute else '"')
            if in_attribute and "&" in text:
                text = text.replace("&lt;", "<").replace("&gt;", ">")
            if "\xa0" in text:
                text = text.replace("\xa0", "&nbsp;")
            out.append(text)
    return "".join(out)
