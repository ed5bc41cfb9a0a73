"""Previews a draft: renders it with one sample in one language, in the sandbox, and lists what is wrong with it.

A part is shown in a template that uses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext, gettext_lazy

from templates_app import bundles, part_usage
from templates_app.library.publish_checks import Failure, lint_rendered, samples_of
from templates_app.lint.lint import Finding
from templates_app.models import Document
from templates_app.sandbox import client

if TYPE_CHECKING:
    from collections.abc import Iterable

    from templates_app.content.content import Content
    from templates_app.engine.engine import Rendered

MAX_TEMPLATES = 50  # templates in which a part can be shown
PART_LABELS = {
    "subject": gettext_lazy("Subject"),
    "html": gettext_lazy("HTML"),
    "text": gettext_lazy("Plain text"),
    "values": gettext_lazy("Values"),
}


@dataclass(frozen=True, slots=True)
class SampleChoice:
    """Values to render a draft with, chosen by `key`. `template` is the one that a part is shown in."""

    key: str
    label: str
    values: Mapping[str, Any]
    template: Document | None = None


@dataclass(frozen=True, slots=True)
class EditorProblem:
    """A problem, for the list and for the mark in the source.

    `document` (project, kind, key) has to be opened to fix it; empty: the one being edited. `elsewhere` is the language
    to fix it in, if it is not the one being edited. `sample` and `language` are those it was rendered with.
    """

    part: str
    label: str
    line: int
    message: str
    document: tuple[str, ...] = ()
    elsewhere: str = ""
    sample: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class DraftPreview:
    """The result of rendering a draft. `rendered` is None if it does not render; `problems` say why."""

    rendered: Rendered | None
    problems: tuple[EditorProblem, ...] = ()
    findings: tuple[Finding, ...] = ()


def sample_choices(document: Document, content: Content) -> list[SampleChoice]:
    """Return the values to render `document` with: its samples, or those of the templates that use the part."""
    if document.kind == Document.Kind.TEMPLATE:
        return [
            SampleChoice(name, name or gettext("Sample values of the variables"), values)
            for name, values in samples_of(document, content).items()
        ]
    found: list[SampleChoice] = []
    for template in part_usage.templates_using(document)[:MAX_TEMPLATES]:
        if template.published is not None:
            for name, values in samples_of(template, template.published.read()).items():
                label = f"{template.full_key}: {name}" if name else template.full_key
                found.append(SampleChoice(f"{template.full_key}:{name}", label, values, template))
    return found or [SampleChoice("", gettext("No template uses it yet"), {})]


def preview_draft(
    document: Document, content: Content, language: str, choice: SampleChoice, *, lint: bool = True
) -> DraftPreview:
    """Render `content` as `document` with the values of `choice`; with `lint`, also check a template for findings."""
    if choice.template is None or choice.template.published is None:
        bundle = bundles.bundle_of(document, content)
    else:
        bundle = bundles.bundle_of(choice.template, choice.template.published.read(), part=(document, content))
    outcome = client.render_one(bundle, choice.values, language)
    seen_in = choice.template or document
    problems = tuple(
        editor_problem(document, one.template, one.part, one.line, one.message, rendered=seen_in.full_key)
        for one in outcome.problems
    )
    findings: tuple[Finding, ...] = ()
    if lint and outcome.rendered is not None and document.kind == Document.Kind.TEMPLATE:
        findings = tuple(lint_rendered(document.tags, content, bundle, outcome.rendered, choice.values))
    return DraftPreview(outcome.rendered, problems, findings)


def editor_problem(
    document: Document, source: str, part: str, line: int, message: str, *, rendered: str
) -> EditorProblem:
    """Return a problem in `source`, found while the template `rendered` was rendered, as the page shows it."""
    label = str(PART_LABELS.get(part, part))
    if source in {"", document.full_key}:
        return EditorProblem(part, label, line, message)
    kind = Document.Kind.TEMPLATE if source == rendered else Document.Kind.PART
    project, _slash, key = source.partition("/")
    there = (project, kind.value, key) if re.fullmatch(r"[-\w]+/[-\w]+", source, re.ASCII) else ()
    return EditorProblem(part, f"{source}, {label}", line, message, document=there)


def refusal_problems(document: Document, problems: Iterable[Failure], language: str) -> list[EditorProblem]:
    """Return why publishing was refused: each problem once, with its samples and languages. `language` is edited."""
    grouped: dict[tuple[str, str, str, int, str], list[Failure]] = {}
    for one in problems:
        grouped.setdefault((one.document, one.source, one.part, one.line, one.message), []).append(one)
    found = []
    for (rendered, source, part, line, message), alike in grouped.items():
        languages = list(dict.fromkeys(one.language for one in alike))
        found.append(
            replace(
                editor_problem(document, source, part, line, message, rendered=rendered),
                sample=", ".join(dict.fromkeys(_sample_label(document, one) for one in alike)),
                language=", ".join(languages),
                elsewhere="" if language in languages else languages[0],
            )
        )
    return found


def _sample_label(document: Document, failure: Failure) -> str:
    name = failure.sample or gettext("sample values of the variables")
    return name if failure.document == document.full_key else f"{failure.document}: {name}"
