"""Writes the built-in templates to the database after every ``migrate``.

They are stored in ``builtin/``, in the folder format of `files.folders`. Seeding adds missing projects, documents,
shared values and samples, and a version wherever the shipped text differs from the newest built-in one. The new version
is published unless the published one was edited; then it is only stored, and `newer_builtin` returns what to compare.
Names, descriptions and tags are written once; after that, they belong to the editors.

Two processes may seed at the same time: documents are locked before they get a version, in the same order everywhere,
and a process that loses a race for a new row starts again and finds it. Nothing is rendered here; the tests do that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from django.apps import apps as current_apps
from django.db import IntegrityError, router, transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from templates_app.builtin_files import builtin_projects
from templates_app.compiled_cache import record_change
from templates_app.files.project_files import DocumentFiles, ProjectFiles
from templates_app.models import Change, Document, Project, Sample, SharedValue, Version

MAX_ATTEMPTS = 5


class NewerBuiltin(NamedTuple):
    """An edited version and a newer built-in. `base` is the built-in that the edited one is derived from, if known."""

    base: Version | None
    theirs: Version  # the newest built-in
    yours: Version  # the published one


def newer_builtin(document: Document) -> NewerBuiltin | None:
    """Return what to compare if the edited `document` has a newer built-in version that was not declined."""
    yours = document.published
    if yours is None or yours.is_builtin:
        return None
    builtin = document.versions.filter(is_builtin=True).order_by("-number")
    theirs = builtin.first()
    if theirs is None or theirs.number <= document.builtin_seen or theirs.digest == yours.digest:
        return None
    base = yours.base or builtin.filter(number__lt=yours.number).first()
    if base is not None and base.digest == theirs.digest:
        return None
    return NewerBuiltin(base=base, theirs=theirs, yours=yours)


# ---------------------------------------------------------------- after migrate


def seed_after_migrate(*, using: str, apps: Any = current_apps, **_signal: object) -> None:
    """Seed if the tables match the models, that is, not after migrating back to an older state."""
    if using == router.db_for_write(Document) and all(
        column_names(apps, model) == column_names(current_apps, model)
        for model in (Project, Document, Version, Sample, SharedValue, Change)
    ):
        seed()


def column_names(apps: Any, model: type[Any]) -> set[str]:
    """Return the names of the model's columns in a migration state; none if it has no table there."""
    try:
        there = apps.get_model(model._meta.label)
    except LookupError:
        return set()
    return {field.column for field in there._meta.concrete_fields}


def seed(projects: Iterable[ProjectFiles] | None = None) -> list[str]:
    """Write the built-in projects (or `projects`) to the database; return the keys of documents with a new version.

    Takes five small queries if there is nothing to do.
    """
    wanted = builtin_projects() if projects is None else tuple(projects)
    if not rows_missing(wanted) and not PendingTexts(wanted).due:
        return []
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            with transaction.atomic():
                create_rows(wanted)
                texts = PendingTexts(wanted, lock=True)
                texts.write()
                record_change()
                return [document.full_key for document, _ in texts.new_versions]
        except IntegrityError:  # another process has just created the same row
            if attempt == MAX_ATTEMPTS:
                raise
    raise AssertionError


# ---------------------------------------------------------------- projects, documents, shared values


def rows_missing(wanted: Sequence[ProjectFiles]) -> bool:
    """Return whether a project, document or shared value is missing."""
    protected = set(Project.objects.filter(is_protected=True).values_list("key", flat=True))
    there = set(stored_documents(wanted).values_list("project__key", "kind", "key"))
    shared = set(SharedValue.objects.values_list("name", flat=True))
    return not (
        {project.key for project in wanted} <= protected
        and {place for place, _ in built_in_documents(wanted)} <= there
        and {name for project in wanted for name in project.shared} <= shared
    )


def create_rows(wanted: Sequence[ProjectFiles]) -> None:
    """Create what is missing. An existing project with the key of a built-in one becomes protected."""
    keys = [project.key for project in wanted]
    there = set(Project.objects.filter(key__in=keys).values_list("key", flat=True))
    Project.objects.filter(key__in=keys, is_protected=False).update(is_protected=True)
    Project.objects.bulk_create(
        Project(key=one.key, name=one.name, description=one.description, tags=list(one.tags), is_protected=True)
        for one in wanted
        if one.key not in there
    )
    by_key = {project.key: project for project in Project.objects.filter(key__in=keys)}
    documents = set(stored_documents(wanted).values_list("project__key", "kind", "key"))
    Document.objects.bulk_create(
        Document(
            project=by_key[project_key],
            kind=kind,
            key=key,
            name=files.name,
            description=files.description,
            tags=list(files.tags),
        )
        for (project_key, kind, key), files in built_in_documents(wanted)
        if (project_key, kind, key) not in documents
    )
    shared = {name: value for project in wanted for name, value in project.shared.items()}
    for name in SharedValue.objects.filter(name__in=shared).values_list("name", flat=True):
        del shared[name]
    SharedValue.objects.bulk_create(
        SharedValue(name=name, value=value.value, description=value.description) for name, value in shared.items()
    )


def stored_documents(wanted: Sequence[ProjectFiles]) -> Any:
    """Return the stored documents of the projects, in locking order."""
    return Document.objects.filter(project__key__in=[project.key for project in wanted]).order_by("pk")


def built_in_documents(wanted: Sequence[ProjectFiles]) -> Iterator[tuple[tuple[str, str, str], DocumentFiles]]:
    """Yield (project, kind, key) and files of each shipped document."""
    for project in wanted:
        for files in project.documents:
            yield (project.key, files.kind, files.key), files


# ---------------------------------------------------------------- versions and samples


class PendingTexts:
    """What versions and samples stored documents lack, found in two queries. `lock` prevents publishing meanwhile."""

    def __init__(self, wanted: Sequence[ProjectFiles], *, lock: bool = False) -> None:
        builtin = Version.objects.filter(document=OuterRef("pk"), is_builtin=True).order_by("-number")
        if lock:  # a query of its own, so that the next one reads what earlier holders of the locks wrote
            list(stored_documents(wanted).select_for_update().values_list("pk", flat=True))
        documents = (
            stored_documents(wanted)
            .select_related("project", "published")
            .annotate(
                builtin_digest=Subquery(builtin.values("digest")[:1]),
                highest=Subquery(
                    Version.objects.filter(document=OuterRef("pk")).order_by("-number").values("number")[:1]
                ),
            )
        )
        stored = {(one.project.key, one.kind, one.key): one for one in documents}
        samples: dict[int, dict[str, Sample]] = {}
        for sample in Sample.objects.filter(document__in=[one.pk for one in stored.values()]):
            samples.setdefault(sample.document_id, {})[sample.name] = sample
        self.new_versions: list[tuple[Any, DocumentFiles]] = []
        self.new_samples: list[Sample] = []
        self.changed_samples: list[Sample] = []
        self.old_samples: list[int] = []
        for place, files in built_in_documents(wanted):
            if place in stored:
                self.compare(stored[place], files, samples.get(stored[place].pk, {}))

    @property
    def due(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.new_versions or self.new_samples or self.changed_samples or self.old_samples)

    def compare(self, document: Any, files: DocumentFiles, samples: dict[str, Sample]) -> None:
        """Record what `document` lacks.

        Unedited samples follow the shipped ones. If the document was edited, they only gain values: its text may still
        use some that the newer built-in does not.
        """
        if document.builtin_digest != files.content.digest:
            self.new_versions.append((document, files))
        for name, shipped_values in files.samples.items():
            values = dict(shipped_values)
            sample = samples.get(name)
            if sample is None:
                self.new_samples.append(Sample(document=document, name=name, values=values, is_builtin=True))
                continue
            if not is_unedited(document):
                values = {**sample.values, **values}
            if sample.is_builtin and sample.values != values:
                sample.values = values
                self.changed_samples.append(sample)
        if is_unedited(document):
            self.old_samples += [one.pk for one in samples.values() if one.is_builtin and one.name not in files.samples]

    def write(self) -> None:
        """Write versions and samples, and publish the versions of unedited documents."""
        made = Version.objects.bulk_create(
            Version(
                document=document,
                number=(document.highest or 0) + 1,
                content=files.content.as_json(),
                digest=files.content.digest,
                is_builtin=True,
            )
            for document, files in self.new_versions
        )
        publish = []
        for (document, _), version in zip(self.new_versions, made, strict=True):
            if is_unedited(document):
                document.published = version
                document.changed_at = timezone.now()
                publish.append(document)
        Document.objects.bulk_update(publish, ["published", "changed_at"])
        Sample.objects.bulk_create(self.new_samples)
        Sample.objects.bulk_update(self.changed_samples, ["values"])
        if self.old_samples:
            Sample.objects.filter(pk__in=self.old_samples).delete()


def is_unedited(document: Document) -> bool:
    """Return whether the published version is a built-in one, or nothing is published yet."""
    return document.published is None or document.published.is_builtin
