"""Compares projects from outside with what is stored: what an import would do, and what is wrong with it.

Renders all samples of every template that an import touches, as publishing does: also of stored templates that use a
part which comes along. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import jinja2
from django.utils.translation import gettext as _

from templates_app import rendering, workshop
from templates_app.cataloguing import RESERVED_KEYS
from templates_app.content import RESERVED, Content, Texts
from templates_app.engine import Bundle, Problem
from templates_app.explaining import explain
from templates_app.keeping import KeepingError
from templates_app.models import Change, Document, Project, Sample, SharedValue, Version
from templates_app.project_files import ENDINGS, FOLDERS, DocumentFiles, FileProblem, ProjectFiles, SharedFile
from templates_app.sampling import checked_values
from templates_app.trying import languages_of

Place = tuple[str, str, str]  # project, kind, key


class ImportRefused(ValueError):
    """An import would break something; `problems` says all of it. Nothing was written."""

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that an import does. `sign` is + (new), ~ (changed) or = (left as it is)."""

    sign: str
    what: str

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{self.sign} {self.what}"


@dataclass
class Arrival:
    """A document that comes along, and what is stored in its place. What differs is found once, before writing."""

    project: str
    files: DocumentFiles
    stored: Document | None = None
    samples: dict[str, Sample] = field(default_factory=dict)  # the stored ones

    @property
    def full_key(self) -> str:
        """The whole key."""
        return f"{self.project}/{self.files.key}"

    @property
    def has_text(self) -> bool:
        """Whether it says anything; what was never published does not."""
        return self.files.content != Content()

    @property
    def is_empty_place(self) -> bool:
        """Whether nothing is published where it goes."""
        return self.stored is None or self.stored.published is None

    @cached_property
    def publishes(self) -> bool:
        """Whether it says something else than what is published."""
        if not self.has_text:
            return False
        if self.stored is None or self.stored.published is None:
            return True
        return self.publishes_beside(self.stored.published)

    def publishes_beside(self, published: Version) -> bool:
        """Whether it says something else than `published`."""
        return self.has_text and shaped(self.files.kind, published.read()).digest != self.files.content.digest

    @cached_property
    def changes_facts(self) -> bool:
        """Whether name, description or tags differ from the stored ones."""
        return self.stored is not None and facts(self.stored) != facts(self.files)

    @cached_property
    def changed_samples(self) -> list[str]:
        """The names of samples that are new or have other values."""
        return [
            name
            for name, values in self.files.samples.items()
            if name not in self.samples or self.samples[name].values != dict(values)
        ]

    @property
    def folder(self) -> str:
        """Where its files lie."""
        return f"{self.project}/{FOLDERS[self.files.kind]}/{self.files.key}"


class Plan:
    """What importing `projects` would do to what is stored now."""

    def __init__(self, projects: Sequence[ProjectFiles]) -> None:
        self.state = state()  # read first, so that what is read next is not older
        self.projects = list(projects)
        keys = [project.key for project in projects]
        self.stored_projects = {one.key: one for one in Project.objects.filter(key__in=keys)}
        documents = Document.objects.filter(project__key__in=keys).select_related("project", "published")
        stored = {(one.project.key, one.kind, one.key): one for one in documents.prefetch_related("samples")}
        self.arrivals = [
            Arrival(project.key, files, found, {one.name: one for one in found.samples.all()} if found else {})
            for project in projects
            for files in project.documents
            for found in [stored.get((project.key, files.kind, files.key))]
        ]
        there = dict(SharedValue.objects.values_list("name", "value"))
        brought = {name: value for project in projects for name, value in project.shared.items()}
        self.new_shared: dict[str, SharedFile] = {name: one for name, one in brought.items() if name not in there}
        self.kept_shared = [name for name, one in brought.items() if name in there and there[name] != one.value]

    def lock(self) -> bool:
        """Lock the documents that are changed, in the order of their rows; return whether they are all still there."""
        keys = [one.stored.pk for one in self.arrivals if one.stored is not None]
        locked = Document.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk", flat=True)
        return len(locked) == len(keys)

    @property
    def changes_anything(self) -> bool:
        """Whether there is anything to write."""
        return any(line.sign != "=" for line in self.lines)

    @cached_property
    def lines(self) -> list[Line]:
        """What happens, for people: by project and document."""
        lines = []
        for project in self.projects:
            stored = self.stored_projects.get(project.key)
            if stored is None:
                lines.append(Line("+", _("project %(key)s") % {"key": project.key}))
            elif facts(stored) != facts(project):
                lines.append(Line("~", _("project %(key)s: name, description or tags") % {"key": project.key}))
        lines += [self.line_of(arrival) for arrival in self.arrivals]
        lines += [Line("+", _("shared value %(name)s") % {"name": name}) for name in self.new_shared]
        lines += [
            Line("=", _("shared value %(name)s keeps the value that it has here") % {"name": name})
            for name in self.kept_shared
        ]
        return lines

    @staticmethod
    def line_of(arrival: Arrival) -> Line:
        """Return what happens to one document."""
        kind = {"template": _("template"), "part": _("part")}[arrival.files.kind]
        name = f"{kind} {arrival.full_key}"
        if arrival.stored is None:
            return Line("+", name)
        what = []
        if arrival.publishes:
            what.append(_("a new version"))
        if arrival.changes_facts:
            what.append(_("name, description or tags"))
        if arrival.changed_samples:
            what.append(_("samples %(names)s") % {"names": ", ".join(arrival.changed_samples)})
        return Line("~", f"{name}: {', '.join(what)}") if what else Line("=", name)

    # ---------------------------------------------------------------- what is wrong

    def problems(self) -> list[FileProblem]:
        """Return all that keeps the import from being done. Rendering is tried only if nothing else is wrong."""
        return [*self.rule_problems()] or [*self.trial_problems()]

    def rule_problems(self) -> Iterator[FileProblem]:
        """Give what the rules of the store refuse."""
        for project in self.projects:
            if project.key in RESERVED_KEYS:
                yield FileProblem(project.key, 0, _("this word has a meaning in the addresses of pages"))
            for name in project.shared:
                if name in RESERVED or name == "base_url":
                    message = _("the shared value %(name)s has a meaning of its own in templates") % {"name": name}
                    yield FileProblem(f"{project.key}/project.json", 0, message)
        for arrival in self.arrivals:
            for name, values in arrival.files.samples.items():
                try:
                    checked_values(dict(values))
                except KeepingError as error:
                    message = _("sample “%(name)s”: %(reason)s") % {"name": name, "reason": error}
                    yield FileProblem(f"{arrival.folder}/template.json", 0, message)

    def trial_problems(self) -> Iterator[FileProblem]:
        """Give each sample that would not render, once for each fault."""
        instead = {
            one.full_key: one.files.content for one in self.arrivals if one.files.kind == "part" and one.has_text
        }
        changed = {one.full_key for one in self.arrivals if one.files.kind == "part" and one.publishes}
        seen: set[FileProblem] = set()
        read: set[str] = set()
        for document, content, samples, is_touched in self.templates():
            key = document.full_key
            parts = rendering.parts_of(content, key, instead=instead)
            if not is_touched and not changed & parts.keys():
                continue
            read |= parts.keys()
            shared = {name: one.value for name, one in self.new_shared.items()} | rendering.shared_values()
            trials = [(name, values, one) for name, values in samples.items() for one in languages_of(content)]
            outcomes = workshop.try_all(Bundle(key=key, content=content, parts=parts, shared=shared), trials)
            for (name, _values, language), outcome in zip(trials, outcomes, strict=True):
                for problem in outcome.problems:
                    found = self.located(problem, key, name, language, content, parts)
                    if found not in seen:
                        seen.add(found)
                        yield found
        for arrival in self.arrivals:
            if arrival.full_key in changed - read and arrival.files.kind == "part":
                yield from unreadable(arrival)

    def templates(self) -> Iterator[tuple[Any, Content, Mapping[str, Mapping[str, Any]], bool]]:
        """Give the templates to try, with samples, and whether they change themselves."""
        coming = set()
        for arrival in self.arrivals:
            if arrival.files.kind != "template" or not arrival.has_text:
                continue
            coming.add(arrival.full_key)
            values = {name: sample.values for name, sample in arrival.samples.items()} | dict(arrival.files.samples)
            content = arrival.files.content
            samples = values or {"": {variable.name: variable.sample for variable in content.variables}}
            yield arrival, content, samples, arrival.publishes or bool(arrival.changed_samples)
        users: dict[int, Document] = {}
        for arrival in self.arrivals:
            if arrival.files.kind == "part" and arrival.publishes and arrival.stored is not None:
                users |= {one.pk: one for one in rendering.templates_using(arrival.stored)}
        for document in users.values():
            if document.full_key not in coming and document.published is not None:
                content = document.published.read()
                stored = {sample.name: sample.values for sample in document.samples.all()}
                yield document, content, stored or {"": {one.name: one.sample for one in content.variables}}, False

    def located(
        self, problem: Problem, key: str, sample: str, language: str, content: Content, parts: Mapping[str, Content]
    ) -> FileProblem:
        """Return the problem with the file that it is in, or with the stored template's key."""
        wanted = "template" if problem.template == key else "part"
        arrival = next(
            (one for one in self.arrivals if one.full_key == problem.template and one.files.kind == wanted), None
        )
        tried = _("tried with “%(sample)s”") % {"sample": sample} if sample else _("tried with its variables' samples")
        if problem.template != key:
            tried = f"{key}, {tried}"
        message = f"{problem.message} ({tried}, {language})"
        if arrival is None:
            return FileProblem(_("%(key)s (stored)") % {"key": problem.template}, problem.line, message)
        if problem.part == "values":
            return FileProblem(f"{arrival.folder}/template.json", 0, message)
        source = content if problem.template == key else parts.get(problem.template, content)
        own = source.subject_in(language)[1] if problem.part == "subject" else source.body_in(language)[1]
        file = f"{own or source.default_language}.{ENDINGS.get(problem.part, 'html')}"
        return FileProblem(f"{arrival.folder}/{file}", problem.line, message)


def unreadable(arrival: Arrival) -> Iterator[FileProblem]:
    """Give what Jinja cannot read in a part that no template uses. Reading costs little, other than compiling."""
    for language, texts in arrival.files.content.languages.items():
        for name in ("html", "text"):
            try:
                jinja2.Environment(autoescape=True).parse(getattr(texts, name), arrival.full_key)
            except (jinja2.TemplateSyntaxError, RecursionError) as error:
                problem = explain(error, arrival.full_key, name)
                yield FileProblem(f"{arrival.folder}/{language}.{ENDINGS[name]}", problem.line, problem.message)


def facts(one: Project | Document | ProjectFiles | DocumentFiles) -> tuple[str, str, list[str]]:
    """Return name, description and tags."""
    return one.name, one.description, list(one.tags)


def shaped(kind: str, content: Content) -> Content:
    """Return what a folder can hold of a content: a part has neither subjects nor variables."""
    if kind == "template":
        return content
    languages = {name: Texts(html=texts.html, text=texts.text) for name, texts in content.languages.items()}
    return replace(content, languages=languages, variables=())


def state(*, lock: bool = False) -> int:
    """Return the number of the last change; with `lock` nobody publishes until the transaction ends."""
    rows = Change.objects.select_for_update() if lock else Change.objects.all()
    row = rows.order_by("pk").first()
    return row.number if row else 0
