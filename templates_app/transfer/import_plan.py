"""Compares projects from outside with what is stored: what an import would do, and what is wrong with it.

Whether it renders is found out by `arrival_trials`. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.utils.translation import gettext as _

from templates_app.compiled_cache import change_number
from templates_app.content.content import RESERVED
from templates_app.files.project_files import FileProblem, ProjectFiles, SharedFile
from templates_app.library.catalogue import RESERVED_KEYS
from templates_app.library.publishing import LibraryError
from templates_app.library.samples import checked_values
from templates_app.models import Document, Project, SharedValue
from templates_app.transfer.import_checks import render_problems
from templates_app.transfer.import_diff import ImportedDocument, metadata


class ImportRefused(ValueError):
    """An import would break something; `problems` says all of it. Nothing was written."""

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One thing that an import does. `sign` is + (new), ~ (changed) or = (left as it is)."""

    sign: str
    what: str

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{self.sign} {self.what}"


class ImportPlan:
    """What importing `projects` would do to what is stored now."""

    def __init__(self, projects: Sequence[ProjectFiles]) -> None:
        self.state = change_number()  # read first, so that what is read next is not older
        self.projects = list(projects)
        keys = [project.key for project in projects]
        self.stored_projects = {one.key: one for one in Project.objects.filter(key__in=keys)}
        documents = Document.objects.filter(project__key__in=keys).select_related("project", "published")
        stored = {(one.project.key, one.kind, one.key): one for one in documents.prefetch_related("samples")}
        self.arrivals = [
            ImportedDocument(project.key, files, found, {one.name: one for one in found.samples.all()} if found else {})
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
    def lines(self) -> list[PlanLine]:
        """What happens, for people: by project and document."""
        lines = []
        for project in self.projects:
            stored = self.stored_projects.get(project.key)
            if stored is None:
                lines.append(PlanLine("+", _("project %(key)s") % {"key": project.key}))
            elif metadata(stored) != metadata(project):
                lines.append(PlanLine("~", _("project %(key)s: name, description or tags") % {"key": project.key}))
        lines += [self.line_of(arrival) for arrival in self.arrivals]
        lines += [PlanLine("+", _("shared value %(name)s") % {"name": name}) for name in self.new_shared]
        lines += [
            PlanLine("=", _("shared value %(name)s keeps the value that it has here") % {"name": name})
            for name in self.kept_shared
        ]
        return lines

    @staticmethod
    def line_of(arrival: ImportedDocument) -> PlanLine:
        """Return what happens to one document."""
        kind = {"template": _("template"), "part": _("part")}[arrival.files.kind]
        name = f"{kind} {arrival.full_key}"
        if arrival.stored is None:
            return PlanLine("+", name)
        what = []
        if arrival.publishes:
            what.append(_("a new version"))
        if arrival.changes_facts:
            what.append(_("name, description or tags"))
        if arrival.changed_samples:
            what.append(_("samples %(names)s") % {"names": ", ".join(arrival.changed_samples)})
        return PlanLine("~", f"{name}: {', '.join(what)}") if what else PlanLine("=", name)

    # ---------------------------------------------------------------- what is wrong

    def problems(self) -> list[FileProblem]:
        """Return all that keeps the import from being done. Rendering is tried only if nothing else is wrong."""
        return [*self.rule_problems()] or render_problems(
            self.arrivals, {name: one.value for name, one in self.new_shared.items()}
        )

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
                except LibraryError as error:
                    message = _("sample “%(name)s”: %(reason)s") % {"name": name, "reason": error}
                    yield FileProblem(f"{arrival.folder}/template.json", 0, message)
