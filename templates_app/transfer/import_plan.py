"""Plans an import: what it would change, and what is wrong with it. Writes nothing.

`import_checks` finds out whether everything renders.
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
    """An import is invalid; `problems` lists everything that is wrong. Nothing was written."""

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One thing that an import does. `sign` is + (new), ~ (changed) or = (unchanged)."""

    sign: str
    what: str

    def __str__(self) -> str:
        return f"{self.sign} {self.what}"


class ImportPlan:
    """What importing `projects` would change, compared with what is stored now."""

    def __init__(self, projects: Sequence[ProjectFiles]) -> None:
        self.state = change_number()  # read first: what is read next must not be older
        self.projects = list(projects)
        keys = [project.key for project in projects]
        self.stored_projects = {one.key: one for one in Project.objects.filter(key__in=keys)}
        documents = Document.objects.filter(project__key__in=keys).select_related("project", "published")
        stored = {(one.project.key, one.kind, one.key): one for one in documents.prefetch_related("samples")}
        self.imports = [
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
        """Lock the stored documents, in the order of their ids; return whether all of them still exist."""
        keys = [one.stored.pk for one in self.imports if one.stored is not None]
        locked = Document.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk", flat=True)
        return len(locked) == len(keys)

    @property
    def changes_anything(self) -> bool:
        return any(line.sign != "=" for line in self.lines)

    @cached_property
    def lines(self) -> list[PlanLine]:
        """What the import does, for people: by project, document and shared value."""
        lines = []
        for project in self.projects:
            stored = self.stored_projects.get(project.key)
            if stored is None:
                lines.append(PlanLine("+", _("project %(key)s") % {"key": project.key}))
            elif metadata(stored) != metadata(project):
                lines.append(PlanLine("~", _("project %(key)s: name, description or tags") % {"key": project.key}))
        lines += [self.document_line(imported) for imported in self.imports]
        lines += [PlanLine("+", _("shared value %(name)s") % {"name": name}) for name in self.new_shared]
        lines += [
            PlanLine("=", _("shared value %(name)s keeps its current value") % {"name": name})
            for name in self.kept_shared
        ]
        return lines

    @staticmethod
    def document_line(imported: ImportedDocument) -> PlanLine:
        """Return what the import does to one document."""
        kind = {"template": _("template"), "part": _("part")}[imported.files.kind]
        name = f"{kind} {imported.full_key}"
        if imported.stored is None:
            return PlanLine("+", name)
        what = []
        if imported.publishes:
            what.append(_("a new version"))
        if imported.changes_metadata:
            what.append(_("name, description or tags"))
        if imported.changed_samples:
            what.append(_("samples %(names)s") % {"names": ", ".join(imported.changed_samples)})
        return PlanLine("~", f"{name}: {', '.join(what)}") if what else PlanLine("=", name)

    # ---------------------------------------------------------------- problems

    def problems(self) -> list[FileProblem]:
        """Return everything that prevents the import. Templates are rendered only if nothing else is wrong."""
        return [*self.rule_problems()] or render_problems(
            self.imports, {name: one.value for name, one in self.new_shared.items()}
        )

    def rule_problems(self) -> Iterator[FileProblem]:
        """Yield what breaks the rules for keys, shared values and samples."""
        for project in self.projects:
            if project.key in RESERVED_KEYS:
                yield FileProblem(project.key, 0, _("this key is reserved for the address of a page"))
            for name in project.shared:
                if name in RESERVED or name == "base_url":
                    message = _("the shared value %(name)s has a name that is reserved in templates") % {"name": name}
                    yield FileProblem(f"{project.key}/project.json", 0, message)
        for imported in self.imports:
            for name, values in imported.files.samples.items():
                try:
                    checked_values(dict(values))
                except LibraryError as error:
                    message = _("sample “%(name)s”: %(reason)s") % {"name": name, "reason": error}
                    yield FileProblem(f"{imported.folder}/template.json", 0, message)
