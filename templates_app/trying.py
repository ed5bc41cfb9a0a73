"""Tries out what is about to be published: every sample of every template that it touches, in every language.

Rendering happens in the killable process of `workshop`; nothing is stored here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from templates_app import rendering, workshop
from templates_app.content import Content
from templates_app.models import Document


@dataclass(frozen=True, slots=True)
class Failure:
    """One sample that does not render: of which template, with what, in which language, where and why.

    `source` is the file at fault, a key such as ``mail/layout``; `part` is subject, html, text or values; `line` counts
    from 1, 0 where no line is at fault.
    """

    document: str
    sample: str
    language: str
    source: str
    part: str
    line: int
    message: str


def failures(document: Document, content: Content) -> list[Failure]:
    """Return all that would fail if `content` were published as `document`.

    A template is tried with its samples. A part is tried with each published template that uses it.
    """
    if document.kind == Document.Kind.TEMPLATE:
        return list(_failures_of(document, content, rendering.bundle_of(document, content), frozenset()))
    found: list[Failure] = []
    for template in rendering.templates_using(document):
        if template.published is None:
            continue
        bundle = rendering.bundle_of(template, template.published.read(), part=(document, content))
        found += _failures_of(template, template.published.read(), bundle, frozenset(content.languages))
    return found


def _failures_of(document: Document, content: Content, bundle: Any, more: frozenset[str]) -> Iterator[Failure]:
    trials = [
        (name, values, language)
        for name, values in samples_of(document, content).items()
        for language in languages_of(content, more)
    ]
    outcomes = workshop.try_all(bundle, trials)
    for (name, _values, language), outcome in zip(trials, outcomes, strict=True):
        for problem in outcome.problems:
            yield Failure(
                document.full_key, name, language, problem.template, problem.part, problem.line, problem.message
            )


def samples_of(document: Document, content: Content) -> dict[str, Mapping[str, Any]]:
    """Return the values to try `document` with, by the name of the sample.

    A template without named samples is tried with those of its variables, under an empty name.
    """
    named = {sample.name: sample.values for sample in document.samples.all()} if document.pk else {}
    return named or {"": {variable.name: variable.sample for variable in content.variables}}


def languages_of(content: Content, more: frozenset[str] = frozenset()) -> list[str]:
    """Return the languages to try: those of the content and `more`, the default first."""
    others = (set(content.languages) | more) - {content.default_language}
    return [content.default_language, *sorted(others)]
