"""Checks before publishing: renders every affected template with each sample in each language, in the sandbox."""

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
    """A template (`document`) that does not render with `sample` in `language`.

    `source` is the key of the template or part at fault, such as ``mail/layout``; `part` is subject, html, text or
    values; `line` counts from 1 and is 0 if no line is at fault.
    """

    document: str
    sample: str
    language: str
    source: str
    part: str
    line: int
    message: str

    def __str__(self) -> str:
        place = [self.source, self.part if self.part != "values" else "", f"line {self.line}" if self.line else ""]
        tried = ", ".join(filter(None, [self.document, self.sample, self.language]))
        return f"{tried}: {', '.join(filter(None, place))}: {self.message}"


@dataclass(frozen=True, slots=True)
class PublishReport:
    """`failures` prevent publishing, `warnings` do not."""

    failures: list[Failure]
    warnings: list[Finding]


def publish_failures(document: Document, content: Content) -> list[Failure]:
    """Return what would fail if `content` were published as `document`."""
    return check_publishing(document, content).failures


def check_publishing(document: Document, content: Content) -> PublishReport:
    """Return what would be wrong if `content` were published as `document`.

    A template is rendered with its samples and linted. A part is rendered in each published template that uses it; if
    none does, it is only parsed.
    """
    found = PublishReport([], [])
    if document.kind == Document.Kind.TEMPLATE:
        _check_template(document, content, bundles.bundle_of(document, content), found, lint=True)
        return found
    using = [(one, one.published.read()) for one in part_usage.templates_using(document) if one.published]
    for template, said in using:
        _check_template(template, said, bundles.bundle_of(template, said, part=(document, content)), found, lint=False)
    if not using:
        found.failures.extend(
            _failure(document, problem, "", language) for language, problem in syntax_errors(document.full_key, content)
        )
    return found


def _check_template(document: Document, content: Content, bundle: Bundle, found: PublishReport, *, lint: bool) -> None:
    samples = samples_of(document, content)
    trials = [(name, values, language) for name, values in samples.items() for language in languages_of(content)]
    findings: dict[Finding, str] = {}
    for outcome in client.render_all(bundle, trials):
        found.failures.extend(
            _failure(document, problem, outcome.name, outcome.language) for problem in outcome.problems
        )
        if lint and outcome.rendered is not None:
            for finding in lint_rendered(document.tags, content, bundle, outcome.rendered, samples[outcome.name]):
                findings.setdefault(finding, outcome.name)
    for finding, sample in findings.items():
        if finding.level == "error":
            problem = Problem(document.full_key, finding.where, finding.line, finding.message)
            found.failures.append(_failure(document, problem, sample, finding.language))
        else:
            found.warnings.append(finding)


def lint_rendered(
    tags: Collection[str], content: Content, bundle: Bundle, rendered: Rendered, values: Mapping[str, Any] | None = None
) -> list[Finding]:
    """Return the findings of the linter in `rendered`, made from `bundle` with `values`; `tags` are the template's."""
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
        values=values,
    )


def syntax_errors(key: str, content: Content) -> Iterator[tuple[str, Problem]]:
    """Yield (language, problem) for each text of the part `key` that Jinja cannot parse.

    Parsing runs nothing of the template, so it needs no sandbox.
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
    """Return the values to render `document` with, by name of the sample.

    A template without samples is rendered with the sample values of its variables, under the name "".
    """
    named = {sample.name: sample.values for sample in document.samples.all()}
    return named or {"": {variable.name: variable.sample for variable in content.variables}}


def languages_of(content: Content) -> list[str]:
    """Return the languages to render, the default first. Languages that only its parts have are never used with it."""
    return [content.default_language, *sorted(set(content.languages) - {content.default_language})]
