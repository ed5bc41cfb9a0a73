"""Checks a rendered template for what Jinja accepts but readers or mail clients would stumble over.

Works on the rendered texts and their source; changes nothing and opens no address. Errors prevent publishing, warnings
do not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.utils.translation import gettext as _

from templates_app.content.content import Content, Variable
from templates_app.lint.html import (
    UNRENDERED_MARKUP,
    HtmlDocument,
    HtmlFinding,
    insecure_message,
    line_of,
    unrendered_message,
)
from templates_app.lint.mail_clients import CLIPPED
from templates_app.lint.secret_use import secret_findings
from templates_app.lint.source import names_in

BUILTIN_NAMES = frozenset({"language", "base_url"})
GMAIL_CLIP_SIZE = 102_000  # bytes of HTML
POSTAL_ADDRESS = "brand_address"  # name of the shared value
BULK_TAG = "bulk"  # the tag of templates that go to many people
UNSUBSCRIBE = re.compile(
    r"unsubscri|opt[-_ ]?out|abmeld|abbestell|austrag|d[ée]sabonn|d[ée]sinscri|darse de baja|uitschrij", re.IGNORECASE
)
ADDRESS = re.compile(r"https?://\S+")


class RenderedOutput(Protocol):
    """A rendered template: `engine.Rendered` and `rendering.RenderedMail` both fit."""

    @property
    def language(self) -> str:
        """The language of the body."""

    @property
    def subject(self) -> str:
        """One line."""

    @property
    def text(self) -> str:
        """The plain text."""

    @property
    def html(self) -> str:
        """The HTML with inlined styles; empty for a plain-text message."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A result of the checks. `line` is that of the source named by `where`, 0 if unknown, as for a part."""

    level: str  # error or warning
    where: str  # subject, html, text or variables
    line: int
    message: str
    help_url: str = ""
    language: str = ""


def lint_mail(
    rendered: RenderedOutput,
    tags: Collection[str],
    variables: Iterable[Variable],
    source: Content,
    *,
    shared: Mapping[str, str] | None = None,
    parts: Iterable[str] = (),
    base_url: str = "",
    values: Mapping[str, Any] | None = None,
) -> list[Finding]:
    """Return the findings, errors first.

    `rendered` is `source` rendered with a sample; `tags` are the document's. `shared` has the shared values by name,
    `parts` the source texts of the parts used, `values` the sample (left out: that of each variable). Links to
    `base_url`, the platform's own address, are always accepted.
    """
    shared, parts = shared or {}, list(parts)
    by_name = {variable.name: variable for variable in variables}
    sample = {name: one.sample for name, one in by_name.items()} if values is None else values
    found = [
        *variable_findings(rendered.language, list(by_name.values()), source, set(shared), parts),
        *text_findings(rendered, source),
        *html_findings(rendered, source, base_url, by_name, sample),
        *(bulk_findings(rendered, source, shared, parts) if BULK_TAG in tags else []),
    ]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.level != "error")


# ---------------------------------------------------------------- variables


def variable_findings(
    language: str, variables: list[Variable], source: Content, shared: set[str], parts: list[str]
) -> list[Finding]:
    """Return names without a value, and variables that no text uses."""
    found, declared = [], {variable.name for variable in variables}
    body, body_language = source.body_in(language)
    subject, subject_language = source.subject_in(language)
    for where, text, one in (
        ("subject", subject, subject_language),
        ("html", body.html, body_language),
        ("text", body.text, body_language),
    ):
        for name, use in names_in(text).items():
            if name in declared | shared | BUILTIN_NAMES:
                continue
            if use.guarded:
                message = _("%(name)s is not a variable of this template, so it is never defined.") % {"name": name}
                found.append(Finding("warning", where, use.line, message, language=one))
            else:
                message = _("%(name)s is neither a variable of this template nor a shared value.") % {"name": name}
                found.append(Finding("error", where, use.line, message, language=one))
    used: set[str] = set()
    for texts in source.languages.values():
        used.update(*(names_in(text) for text in (texts.subject, texts.html, texts.text)))
    used.update(*(names_in(text) for text in parts))
    found += [
        Finding("warning", "variables", 0, _("The variable %(name)s is not used.") % {"name": variable.name})
        for variable in variables
        if variable.name not in used
    ]
    return found


# ---------------------------------------------------------------- subject and text


def text_findings(rendered: RenderedOutput, source: Content) -> list[Finding]:
    found, language = [], rendered.language
    if not rendered.subject.strip():
        found.append(Finding("error", "subject", 0, _("The subject is empty."), language=language))
    if not rendered.text.strip():
        message = _("There is no plain text. Some people read only that, and email without it looks like spam.")
        found.append(Finding("error", "text", 0, message, language=language))
    body, _body_language = source.body_in(language)
    subject, _subject_language = source.subject_in(language)
    places = [("subject", rendered.subject, subject)]
    if body.text:  # otherwise derived from the HTML, which is checked anyway
        places.append(("text", rendered.text, body.text))
    for where, text, written in places:
        match = UNRENDERED_MARKUP.search(text)
        if match:
            line = line_of(written, match.group())
            found.append(Finding("error", where, line, unrendered_message(match.group()), language=language))
    if body.text:
        found += [
            Finding("warning", "text", line_of(body.text, address), insecure_message(address), language=language)
            for address in ADDRESS.findall(rendered.text)
            if address.startswith("http:") and address in body.text
        ]
    return found


# ---------------------------------------------------------------- HTML


def html_findings(
    rendered: RenderedOutput,
    source: Content,
    base_url: str,
    variables: Mapping[str, Variable],
    values: Mapping[str, Any],
) -> list[Finding]:
    if not rendered.html.strip():
        return []
    body, _language = source.body_in(rendered.language)
    page = HtmlDocument(rendered.html, body.html, base_url)
    findings = [*page.findings(), *secret_findings(page, variables, values)]
    found = [as_finding(one, rendered.language) for one in findings]
    size = len(rendered.html.encode("utf-8", "replace"))
    if size > GMAIL_CLIP_SIZE:
        message = _("The HTML has %(size)s kB; Gmail cuts off everything beyond 102 kB.") % {
            "size": f"{size / 1000:,.0f}"
        }
        found.append(Finding("warning", "html", 0, message, help_url=CLIPPED, language=rendered.language))
    return found


def as_finding(one: HtmlFinding, language: str) -> Finding:
    level = "error" if one.is_error else "warning"
    return Finding(level, "html", one.line, one.message, help_url=one.help_url, language=language)


# ---------------------------------------------------------------- bulk email


def bulk_findings(
    rendered: RenderedOutput, source: Content, shared: Mapping[str, str], parts: list[str]
) -> list[Finding]:
    """Return what a message to many people must have and this one lacks."""
    found, language = [], rendered.language
    page = HtmlDocument(rendered.html, "", "") if rendered.html.strip() else None
    if page and not any(UNSUBSCRIBE.search(f"{address} {words}") for address, words in page.links()):
        message = _("An email with the tag bulk needs an unsubscribe link.")
        found.append(Finding("error", "html", 0, message, language=language))
    if not (UNSUBSCRIBE.search(rendered.text) and ADDRESS.search(rendered.text)):
        message = _("The plain text of an email with the tag bulk needs an unsubscribe address.")
        found.append(Finding("error", "text", 0, message, language=language))
    address = normalized(shared.get(POSTAL_ADDRESS, ""))
    body, _language = source.body_in(language)
    if not address and any(POSTAL_ADDRESS in names_in(text) for text in (body.html, body.text, *parts)):
        message = _("An email with the tag bulk needs your postal address; the shared value %(name)s is still empty.")
        return [*found, Finding("warning", "variables", 0, message % {"name": POSTAL_ADDRESS})]
    for where, words in (("html", page.words() if page else None), ("text", rendered.text)):
        if words is not None and not (address and address in normalized(words)):
            message = _("An email with the tag bulk needs your postal address: {{ %(name)s }}.") % {
                "name": POSTAL_ADDRESS
            }
            found.append(Finding("error", where, 0, message, language=language))
    return found


def normalized(text: str) -> str:
    """Return the words of `text` with single spaces, to find an address however its lines are broken."""
    return re.sub(r"\W+", " ", text).strip().casefold()
