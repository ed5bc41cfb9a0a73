"""Tries out what an import brings, as publishing does: every sample of every template that it touches, inspected.

All that comes along is taken together: a template is rendered with the parts that come with it. Stored templates that
use such a part are rendered, too. Nothing is stored here.
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
    """A template to be tried. `is_touched`: its own text or samples change, not only a part that it uses."""

    key: str
    content: Content
    samples: Mapping[str, Mapping[str, Any]]
    tags: Sequence[str]
    is_touched: bool


def render_problems(arrivals: Sequence[ImportedDocument], new_shared: Mapping[str, str]) -> list[FileProblem]:
    """Return each fault once, with the file that it is in. `new_shared` are shared values that come along."""
    instead = {one.full_key: one.files.content for one in arrivals if one.files.kind == "part" and one.has_text}
    changed = {one.full_key for one in arrivals if one.files.kind == "part" and one.publishes}
    shared = {**new_shared, **bundles.shared_values()}
    found: dict[object, FileProblem] = {}
    read: set[str] = set()
    for trial in [*imported_template_checks(arrivals), *affected_template_checks(arrivals)]:
        parts = bundles.parts_of(trial.content, trial.key, overrides=instead)
        if trial.is_touched or changed & parts.keys():
            read |= parts.keys()
            bundle = Bundle(key=trial.key, content=trial.content, parts=parts, shared=shared)
            for same, problem in check_template(trial, bundle, arrivals):
                found.setdefault(same, problem)
    for arrival in arrivals:
        if arrival.files.kind == "part" and arrival.full_key in changed - read:
            for language, fault in syntax_errors(arrival.full_key, arrival.files.content):
                file = f"{arrival.folder}/{language}.{ENDINGS[fault.part]}"
                found[fault, language] = FileProblem(file, fault.line, fault.message)
    return list(found.values())


def imported_template_checks(arrivals: Sequence[ImportedDocument]) -> Iterator[TemplateCheck]:
    """Give the templates that come along; samples that are stored stay, and must render, too."""
    for arrival in arrivals:
        if arrival.files.kind == "template" and arrival.has_text:
            samples = {name: sample.values for name, sample in arrival.samples.items()} | dict(arrival.files.samples)
            is_touched = arrival.publishes or bool(arrival.changed_samples) or arrival.changes_facts  # a tag, say
            content = arrival.files.content
            yield TemplateCheck(
                arrival.full_key, content, samples or declared_samples(content), arrival.files.tags, is_touched
            )


def affected_template_checks(arrivals: Sequence[ImportedDocument]) -> Iterator[TemplateCheck]:
    """Give the stored templates that use a part which is changed, and do not come along themselves."""
    coming = {one.full_key for one in arrivals if one.files.kind == "template" and one.has_text}
    users: dict[int, Document] = {}
    for arrival in arrivals:
        if arrival.files.kind == "part" and arrival.publishes and arrival.stored is not None:
            users |= {one.pk: one for one in part_usage.templates_using(arrival.stored)}
    for document in users.values():
        if document.full_key not in coming and document.published is not None:
            content = document.published.read()
            samples = {sample.name: sample.values for sample in document.samples.all()}
            yield TemplateCheck(
                document.full_key, content, samples or declared_samples(content), document.tags, is_touched=False
            )


def declared_samples(content: Content) -> dict[str, dict[str, Any]]:
    """Return what a template without named samples is tried with."""
    return {"": {variable.name: variable.sample for variable in content.variables}}


def check_template(
    trial: TemplateCheck, bundle: Bundle, arrivals: Sequence[ImportedDocument]
) -> Iterator[tuple[object, FileProblem]]:
    """Give what is wrong with one template, and by what the same fault with another sample is recognized.

    Those that only use a part are rendered, not inspected.
    """
    trials = [(name, values, one) for name, values in trial.samples.items() for one in languages_of(trial.content)]
    for outcome in client.render_all(bundle, trials):
        problems = list(outcome.problems)
        if trial.is_touched and outcome.rendered is not None:
            problems += [
                Problem(trial.key, finding.where, finding.line, finding.message)
                for finding in lint_rendered(trial.tags, trial.content, bundle, outcome.rendered)
                if finding.level == "error"
            ]
        for problem in problems:
            found = located_problem(problem, bundle, arrivals, sample=outcome.name, language=outcome.language)
            yield (found.file, found.line, problem.message, problem.part in ENDINGS or outcome.name), found


def located_problem(
    problem: Problem, bundle: Bundle, arrivals: Sequence[ImportedDocument], *, sample: str, language: str
) -> FileProblem:
    """Return the problem with the file that it is in, or with the stored template's key."""
    is_own = problem.template == bundle.key
    kind = "template" if is_own else "part"
    arrival = next((one for one in arrivals if (one.files.kind, one.full_key) == (kind, problem.template)), None)
    tried = _("tried with “%(sample)s”") % {"sample": sample} if sample else _("tried with its variables' samples")
    message = f"{problem.message} ({'' if is_own else f'{bundle.key}, '}{tried}, {language})"
    if arrival is None:
        return FileProblem(_("%(key)s (stored)") % {"key": problem.template}, problem.line, message)
    if problem.part not in ENDINGS:
        return FileProblem(f"{arrival.folder}/template.json", 0, message)
    content = arrival.files.content
    own = content.subject_in(language)[1] if problem.part == "subject" else content.body_in(language)[1]
    return FileProblem(
        f"{arrival.folder}/{own or content.default_language}.{ENDINGS[problem.part]}", problem.line, message
    )
