"""Renders and lints what an import changes, as publishing does: every sample of every template affected.

Imported templates are rendered with the parts imported with them. Stored templates that use an imported part are
rendered, too. Nothing is stored here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from templates_app import bundles, part_usage
from templates_app.content.content import Content
from templates_app.engine.engine import Bundle
from templates_app.engine.template_errors import Problem
from templates_app.files.project_files import ENDINGS, FileProblem
from templates_app.library.publish_checks import languages_of, lint_rendered, syntax_errors
from templates_app.models import Document
from templates_app.sandbox import client
from templates_app.transfer.import_diff import ImportedDocument


@dataclass(frozen=True, slots=True)
class TemplateCheck:
    """A template to render. `is_touched`: its own text, samples or tags change, not only a part that it uses."""

    key: str
    content: Content
    samples: Mapping[str, Mapping[str, Any]]
    tags: Sequence[str]
    is_touched: bool


def render_problems(imports: Sequence[ImportedDocument], new_shared: Mapping[str, str]) -> list[FileProblem]:
    """Return each fault once, with its file. `new_shared` are the shared values that the import adds."""
    overrides = {one.full_key: one.files.content for one in imports if one.files.kind == "part" and one.has_text}
    changed = {one.full_key for one in imports if one.files.kind == "part" and one.publishes}
    shared = {**new_shared, **bundles.shared_values()}
    found: dict[object, FileProblem] = {}
    read: set[str] = set()
    for check in [*imported_template_checks(imports), *affected_template_checks(imports)]:
        parts = bundles.parts_of(check.content, check.key, overrides=overrides)
        if check.is_touched or changed & parts.keys():
            read |= parts.keys()
            bundle = Bundle(key=check.key, content=check.content, parts=parts, shared=shared)
            for same, problem in check_template(check, bundle, imports):
                found.setdefault(same, problem)
    for imported in imports:
        if imported.files.kind == "part" and imported.full_key in changed - read:
            for language, fault in syntax_errors(imported.full_key, imported.files.content):
                file = f"{imported.folder}/{language}.{ENDINGS[fault.part]}"
                found[fault, language] = FileProblem(file, fault.line, fault.message)
    return list(found.values())


def imported_template_checks(imports: Sequence[ImportedDocument]) -> Iterator[TemplateCheck]:
    """Yield the imported templates. Stored samples stay, so they must render, too."""
    for imported in imports:
        if imported.files.kind == "template" and imported.has_text:
            samples = {name: sample.values for name, sample in imported.samples.items()} | dict(imported.files.samples)
            is_touched = imported.publishes or bool(imported.changed_samples) or imported.changes_metadata  # tags count
            content = imported.files.content
            yield TemplateCheck(
                imported.full_key, content, samples or declared_samples(content), imported.files.tags, is_touched
            )


def affected_template_checks(imports: Sequence[ImportedDocument]) -> Iterator[TemplateCheck]:
    """Yield stored templates that use a changed part and are not imported themselves."""
    incoming = {one.full_key for one in imports if one.files.kind == "template" and one.has_text}
    users: dict[int, Document] = {}
    for imported in imports:
        if imported.files.kind == "part" and imported.publishes and imported.stored is not None:
            users |= {one.pk: one for one in part_usage.templates_using(imported.stored)}
    for document in users.values():
        if document.full_key not in incoming and document.published is not None:
            content = document.published.read()
            samples = {sample.name: sample.values for sample in document.samples.all()}
            yield TemplateCheck(
                document.full_key, content, samples or declared_samples(content), document.tags, is_touched=False
            )


def declared_samples(content: Content) -> dict[str, dict[str, Any]]:
    """Return the sample used for a template that has none: its variables' sample values."""
    return {"": {variable.name: variable.sample for variable in content.variables}}


def check_template(
    check: TemplateCheck, bundle: Bundle, imports: Sequence[ImportedDocument]
) -> Iterator[tuple[object, FileProblem]]:
    """Yield the faults of one template, each with a key that is equal for the same fault in another sample.

    Templates that only use a changed part are rendered but not linted.
    """
    entries = [(name, values, one) for name, values in check.samples.items() for one in languages_of(check.content)]
    for outcome in client.render_all(bundle, entries):
        problems = list(outcome.problems)
        if check.is_touched and outcome.rendered is not None:
            problems += [
                Problem(check.key, finding.where, finding.line, finding.message)
                for finding in lint_rendered(
                    check.tags, check.content, bundle, outcome.rendered, check.samples[outcome.name]
                )
                if finding.level == "error"
            ]
        for problem in problems:
            found = located_problem(problem, bundle, imports, sample=outcome.name, language=outcome.language)
            yield (found.file, found.line, problem.message, problem.part in ENDINGS or outcome.name), found


def located_problem(
    problem: Problem, bundle: Bundle, imports: Sequence[ImportedDocument], *, sample: str, language: str
) -> FileProblem:
    """Return the problem with its file, or with the key of a stored template."""
    is_own = problem.template == bundle.key
    kind = "template" if is_own else "part"
    imported = next((one for one in imports if (one.files.kind, one.full_key) == (kind, problem.template)), None)
    rendered_with = (
        _("rendered with “%(sample)s”") % {"sample": sample} if sample else _("rendered with the variables' samples")
    )
    message = f"{problem.message} ({'' if is_own else f'{bundle.key}, '}{rendered_with}, {language})"
    if imported is None:
        return FileProblem(_("%(key)s (stored)") % {"key": problem.template}, problem.line, message)
    if problem.part not in ENDINGS:
        return FileProblem(f"{imported.folder}/template.json", 0, message)
    content = imported.files.content
    own = content.subject_in(language)[1] if problem.part == "subject" else content.body_in(language)[1]
    return FileProblem(
        f"{imported.folder}/{own or content.default_language}.{ENDINGS[problem.part]}", problem.line, message
    )
