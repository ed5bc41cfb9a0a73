"""Writes what an import brings, once `importing` has found nothing wrong. Checks nothing; called in a transaction."""

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
    """Write all of `plan`. Raises IntegrityError if somebody made one of the same documents meanwhile."""
    if not plan.changes_anything:
        return
    SharedValue.objects.bulk_create(
        SharedValue(name=name, value=one.value, description=one.description) for name, one in plan.new_shared.items()
    )
    projects = {project.key: stored_project(plan, project.key) for project in plan.projects}
    for arrival in plan.arrivals:
        write_document(arrival, projects[arrival.project], user, note)
    record_change()


def stored_project(plan: ImportPlan, key: str) -> Project:
    """Return the project with its new name, description and tags; made if it is not there."""
    files = next(project for project in plan.projects if project.key == key)
    stored = plan.stored_projects.get(key) or Project(key=key)
    if stored.pk is None or metadata(stored) != metadata(files):
        stored.name, stored.description, stored.tags = metadata(files)
        stored.save()
    return stored


def write_document(arrival: ImportedDocument, project: Project, user: AbstractBaseUser | None, note: str) -> None:
    """Write a document: its facts, samples, and the versions that it lacks."""
    files = arrival.files
    document = arrival.stored or Document(project=project, kind=files.kind, key=files.key)
    if arrival.stored is None or arrival.changes_facts:
        document.name, document.description, document.tags = metadata(files)
        document.save()
    for name in arrival.changed_samples:
        values = dict(files.samples[name])
        sample = arrival.samples.get(name) or Sample(document=document, name=name)
        sample.values, sample.is_builtin = values, False
        sample.save()
    publishes = arrival.publishes
    if files.history and arrival.is_empty_place and not document.versions.exists():
        published = write_history(document, files.history)
        if published is not None:
            document.published = published
            document.save(update_fields=["published", "changed_at"])
            publishes = arrival.publishes_beside(published)
    if publishes:
        add_version(document, user, files.content, note, document.published)


def write_history(document: Document, history: tuple[VersionFile, ...]) -> Version | None:
    """Add the versions as they were, and return the one that was published."""
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
        row.created_at = version.created_at  # the column's default is now, whatever is given to a new row
        row.base = by_number[version.base] if version.base is not None else None
        published = row if version.is_published else published
    Version.objects.bulk_update(made, ["created_at", "base"])
    return published
