"""Writes an import that `import_plan` has found nothing wrong with. Must be called in a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from templates_app.compiled_cache import record_change
from templates_app.files.project_files import VersionFile
from templates_app.library.publishing import add_version
from templates_app.models import Document, Project, Sample, SharedValue, Version
from templates_app.transfer.import_diff import ImportedDocument, metadata
from templates_app.transfer.import_plan import ImportPlan

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


def write_plan(plan: ImportPlan, user: AbstractBaseUser | None, *, note: str) -> None:
    """Write all of `plan`. Raises IntegrityError if somebody created one of its documents meanwhile."""
    if not plan.changes_anything:
        return
    SharedValue.objects.bulk_create(
        SharedValue(name=name, value=one.value, description=one.description) for name, one in plan.new_shared.items()
    )
    projects = {project.key: stored_project(plan, project.key) for project in plan.projects}
    for imported in plan.imports:
        write_document(imported, projects[imported.project], user, note)
    record_change()


def stored_project(plan: ImportPlan, key: str) -> Project:
    """Return the stored project, created if missing, with its new name, description and tags."""
    files = next(project for project in plan.projects if project.key == key)
    stored = plan.stored_projects.get(key) or Project(key=key)
    if stored.pk is None or metadata(stored) != metadata(files):
        stored.name, stored.description, stored.tags = metadata(files)
        stored.save()
    return stored


def write_document(imported: ImportedDocument, project: Project, user: AbstractBaseUser | None, note: str) -> None:
    """Write a document: its metadata, samples, and new versions."""
    files = imported.files
    document = imported.stored or Document(project=project, kind=files.kind, key=files.key)
    if imported.stored is None or imported.changes_metadata:
        document.name, document.description, document.tags = metadata(files)
        document.save()
    for name in imported.changed_samples:
        values = dict(files.samples[name])
        sample = imported.samples.get(name) or Sample(document=document, name=name)
        sample.values, sample.is_builtin = values, False
        sample.save()
    publishes = imported.publishes
    if files.history and imported.is_unpublished and not document.versions.exists():
        published = write_history(document, files.history)
        if published is not None:
            document.published = published
            document.save(update_fields=["published", "changed_at"])
            publishes = imported.differs_from(published)
    if publishes:
        add_version(document, user, files.content, note, document.published)


def write_history(document: Document, history: tuple[VersionFile, ...]) -> Version | None:
    """Store the versions with their original numbers and times, and return the published one, if any."""
    made = Version.objects.bulk_create(
        Version(
            document=document,
            number=version.number,
            content=version.content.as_json(),
            digest=version.content.digest,
            note=version.note,
            author_name=version.author_name,
            is_builtin=version.is_builtin,
        )
        for version in history
    )
    by_number = {version.number: version for version in made}
    published = None
    for version in history:
        row = by_number[version.number]
        row.created_at = version.created_at  # auto_now_add overrides it when a row is created
        row.base = by_number[version.base] if version.base is not None else None
        published = row if version.is_published else published
    Version.objects.bulk_update(made, ["created_at", "base"])
    return published
