"""Exports projects from the database and imports them, as the `ProjectFiles` that folders and zip files contain.

An import adds and changes; it never deletes a document, version or sample, and leaves drafts alone. Everything is
checked before anything is written (`import_plan`), and written in one transaction (`import_writer`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Prefetch
from django.utils.translation import gettext as _

from templates_app.compiled_cache import change_number
from templates_app.content.content import Content
from templates_app.files.project_files import DocumentFiles, FileProblem, ProjectFiles, SharedFile, VersionFile
from templates_app.files.reading import MAX_PROBLEMS
from templates_app.library import publish_rights
from templates_app.lint.source import names_in
from templates_app.models import Document, Project, SharedValue, Version
from templates_app.transfer.import_diff import exportable
from templates_app.transfer.import_plan import ImportPlan, ImportRefused
from templates_app.transfer.import_writer import write_plan

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

MAX_ATTEMPTS = 3


class UnknownProjectsError(LookupError):
    """No projects have these `keys`."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(", ".join(keys))
        self.keys = list(keys)


# ---------------------------------------------------------------- export


def export_projects(keys: Iterable[str] = (), *, history: bool) -> list[ProjectFiles]:
    """Return the projects with these keys, or all; with all versions if `history`. Raises UnknownProjectsError."""
    wanted = set(keys)
    projects = Project.objects.order_by("key")
    if wanted:
        projects = projects.filter(key__in=wanted)
        missing = wanted - set(projects.values_list("key", flat=True))
        if missing:
            raise UnknownProjectsError(sorted(missing))
    documents = Document.objects.order_by("kind", "key").select_related("published").prefetch_related("samples")
    if history:
        versions = Version.objects.order_by("number").select_related("base")
        documents = documents.prefetch_related(Prefetch("versions", queryset=versions))
    with transaction.atomic():  # a consistent snapshot
        shared = {one.name: SharedFile(one.value, one.description) for one in SharedValue.objects.all()}
        found = projects.prefetch_related(Prefetch("documents", queryset=documents))
        return [project_files(project, shared, history=history) for project in found]


def project_files(project: Project, shared: dict[str, SharedFile], *, history: bool) -> ProjectFiles:
    """Return one project, with the `shared` values that its texts use."""
    documents = tuple(document_files(document, history=history) for document in project.documents.all())
    names = {
        name
        for document in documents
        for texts in document.content.languages.values()
        for text in (texts.subject, texts.html, texts.text)
        for name in names_in(text)
    }
    return ProjectFiles(
        key=project.key,
        name=project.name,
        description=project.description,
        tags=tuple(project.tags),
        shared={name: shared[name] for name in sorted(names & shared.keys())},
        documents=documents,
    )


def document_files(document: Document, *, history: bool) -> DocumentFiles:
    """Return one document; one that was never published has empty content."""
    content = exportable(document.kind, document.published.read()) if document.published else Content()
    samples = document.samples.all() if document.kind == Document.Kind.TEMPLATE else ()
    return DocumentFiles(
        kind=document.kind,
        key=document.key,
        name=document.name,
        description=document.description,
        tags=tuple(document.tags),
        content=content,
        samples={sample.name: in_order(sample.values, content) for sample in samples},
        history=tuple(
            VersionFile(
                number=version.number,
                content=version.read(),
                note=version.note,
                author_name=version.author_name,
                created_at=version.created_at,
                is_builtin=version.is_builtin,
                is_published=version.pk == document.published_id,
                base=version.base.number if version.base else None,
            )
            for version in document.versions.all()
        )
        if history
        else (),
    )


def in_order(values: dict[str, Any], content: Content) -> dict[str, Any]:
    """Return a sample's values in the order of the variables, because PostgreSQL's JSON columns do not keep any."""
    places = {variable.name: number for number, variable in enumerate(content.variables)}
    return {name: values[name] for name in sorted(values, key=lambda name: (places.get(name, len(places)), name))}


# ---------------------------------------------------------------- import


def check_import(projects: Sequence[ProjectFiles]) -> ImportPlan:
    """Return what importing would change; nothing is written. Raises ImportRefused with everything that is wrong."""
    plan = ImportPlan(projects)
    problems = plan.problems()
    if problems:
        raise ImportRefused(problems[:MAX_PROBLEMS])
    return plan


def forbidden_imports(plan: ImportPlan, user: AbstractBaseUser | None) -> list[FileProblem]:
    """Return the documents of `plan` that `user` may not publish."""
    reasons = (
        (one, publish_rights.refusal(one.document, one.files.content, user)) for one in plan.imports if one.publishes
    )
    return [FileProblem(one.folder, 0, reason) for one, reason in reasons if reason]


def import_projects(projects: Sequence[ProjectFiles], user: AbstractBaseUser | None, *, note: str = "") -> ImportPlan:
    """Import the projects and return what was changed. `user` None is the system; `note` is that of new versions.

    A new document gets the versions of its history; a stored one gets one new version, if its content differs. Raises
    ImportRefused if anything is wrong; then nothing was written.
    """
    for _attempt in range(MAX_ATTEMPTS):
        plan = check_import(projects)
        if forbidden := forbidden_imports(plan, user):
            raise ImportRefused(forbidden[:MAX_PROBLEMS])
        try:
            with transaction.atomic():
                if (
                    plan.lock() and change_number(lock=True) == plan.state
                ):  # otherwise something was published meanwhile
                    write_plan(plan, user, note=note or _("Imported"))
                    return plan
        except IntegrityError:  # somebody created the same document a moment ago
            continue
    raise ImportRefused(
        [FileProblem(_("The import"), 0, _("other people are publishing at the moment; try again shortly"))]
    )
