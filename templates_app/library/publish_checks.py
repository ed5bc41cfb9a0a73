"""Tries out what is about to be published: every sample of every template that it touches, in every language.

Rendering happens in the sandbox; nothing is stored here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
from django.conf import settings

from templates_app import bundles, part_usage
from templates_app.content.content import Content
from templates_app.engine.engine import Bundle, Rendered
from templates_app.engine.template_errors import Problem, explain
from templates_app.lint.lint import Finding, lint_mail
from templates_app.models import Document
from templates_app.sandbox import client


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

    def __str__(self) -> str:
        """Return it in one line."""
        place = [self.source, self.part if self.part != "values" else "", f"line {self.line}" if self.line else ""]
        tried = ", ".join(filter(None, [self.document, self.sample, self.language]))
        return f"{tried}: {', '.join(filter(None, place))}: {self.message}"


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What was found: `failures` refuse publishing, `warnings` are worth a look."""

    failures: list[Failure]
    warnings: list[Finding]


def publish_failures(document: Document, content: Content) -> list[Failure]:
    """Return all that would fail if `content` were published as `document`."""
    return check_publishing(document, content).failures


def check_publishing(document: Document, content: Content) -> PublishReport:
    """Return what is wrong with `content`, were it published as `document`.

    A template is tried with its samples, and what comes out is inspected. A part is tried with each published template
    that uses it; if none does, it is only read.
    """
    found = PublishReport([], [])
    if document.kind == Document.Kind.TEMPLATE:
        _check_template(document, content, bundles.bundle_of(document, content), found, inspected=True)
        return found
    using = [(one, one.published.read()) for one in part_usage.templates_using(document) if one.published]
    for template, said in using:
        _check_template(
            template, said, bundles.bundle_of(template, said, part=(document, content)), found, inspected=False
        )
    if not using:
        found.failures.extend(
            _failure(document, problem, "", language) for language, problem in syntax_errors(document.full_key, content)
        )
    return found


def _check_template(
    document: Document, content: Content, bundle: Bundle, found: PublishReport, *, inspected: bool
) -> None:
    trials = [
        (name, values, language)
        for name, values in samples_of(document, content).items()
        for language in languages_of(content)
    ]
    findings: dict[Finding, str] = {}
    for outcome in client.render_all(bundle, trials):
        found.failures.extend(
            _failure(document, problem, outcome.name, outcome.language) for problem in outcome.problems
        )
        if inspected and outcome.rendered is not None:
            for finding in lint_rendered(document.tags, content, bundle, outcome.rendered):
                findings.setdefault(finding, outcome.name)
    for finding, sample in findings.items():
        if finding.level == "error":
            problem = Problem(document.full_key, finding.where, finding.line, finding.message)
            found.failures.append(_failure(document, problem, sample, finding.language))
        else:
            found.warnings.append(finding)


def lint_rendered(tags: Collection[str], content: Content, bundle: Bundle, rendered: Rendered) -> list[Finding]:
    """Return what `inspect` finds in what `bundle` became; `tags` are the template's."""
    parts = [
        text for part in bundle.parts.values() for texts in part.languages.values() for text in (texts.html, texts.text)
    ]
    return lint_mail(
        rendered,
        tags,
        content.variables,
        content,
        shared=bundle.shared,
        parts=parts,
        base_url=settings.BASE_URL,
    )


def syntax_errors(key: str, content: Content) -> Iterator[tuple[str, Problem]]:
    """Yield what Jinja cannot read in the part `key`, each with its language.

    Reading is cheap, other than compiling, and needs no process of its own.
    """
    for language, texts in content.languages.items():
        for part in ("html", "text"):
            try:
                jinja2.Environment(autoescape=True).parse(getattr(texts, part), key)
            except (jinja2.TemplateSyntaxError, RecursionError) as error:
                yield language, explain(error, key, part)


def _failure(document: Document, problem: Problem, sample: str, language: str) -> Failure:
    return Failure(
        document=document.full_key,
        sample=sample,
        language=language,
        source=problem.template,
        part=problem.part,
        line=problem.line,
        message=problem.message,
    )


def samples_of(document: Document, content: Content) -> dict[str, Mapping[str, Any]]:
    """Return the values to try `document` with, by the name of the sample.

    A template without named samples is tried with those of its variables, under an empty name.
    """
    named = {sample.name: sample.values for sample in document.samples.all()}
    return named or {"": {variable.name: variable.sample for variable in content.variables}}


def languages_of(content: Content) -> list[str]:
    """Return the languages to try, the default first. Those that only its parts have are never used with it."""
    return [content.default_language, *sorted(set(content.languages) - {content.default_language})]
