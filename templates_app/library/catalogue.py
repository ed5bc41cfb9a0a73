"""Creates, changes and deletes projects, templates and parts; their contents are changed in `publishing`.

Protected projects and their documents cannot be deleted, nor can a part that a published template uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from templates_app import compiled_cache, part_usage
from templates_app.content.content import KEY
from templates_app.library.publishing import CONTROL_CHARACTERS, Gone, LibraryError
from templates_app.models import Document, Project

if TYPE_CHECKING:
    from django.db.models import Model

RESERVED_KEYS = frozenset({"new", "shared", "import", "export", "test"})  # they are page addresses
TAG = re.compile(r"[\w-]{1,30}")
MAX_TAGS = 20


class Invalid(LibraryError):
    """A value is invalid; `field` is its name: key, kind, name, description, tags, values, value."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class Protected(LibraryError):
    """It is built in and cannot be deleted."""


class InUse(LibraryError):
    """Published templates use it; `users` are those templates."""

    def __init__(self, users: Sequence[Document]) -> None:
        super().__init__(_("It cannot be deleted, because templates use it."))
        self.users = list(users)


class EditConflict(LibraryError):
    """Somebody else changed it after the page was opened; `now` has the stored values."""

    def __init__(self, now: dict[str, Any]) -> None:
        super().__init__(_("Somebody else has changed this in the meantime."))
        self.now = now


# ---------------------------------------------------------------- creating


def create_project(*, key: str, name: str, description: str = "", tags: Iterable[str] = ()) -> Project:
    """Create a project. Raises Invalid, also if the key is taken."""
    if checked_key(key) in RESERVED_KEYS:
        raise Invalid("key", _("This key is reserved. Choose another one."))
    facts = _checked_metadata(name, description, tags)
    try:
        with transaction.atomic():
            return Project.objects.create(key=key, **facts)
    except IntegrityError as error:
        raise Invalid("key", _("There is already a project with this key.")) from error


def create_document(
    project: Project, kind: str, *, key: str, name: str, description: str = "", tags: Iterable[str] = ()
) -> Document:
    """Create a template or part (`kind`) without a published version.

    Raises Invalid, also if the key is taken, and Gone if the project was deleted in the meantime.
    """
    if kind not in Document.Kind.values:
        raise Invalid("kind", _("Choose template or part."))
    facts = _checked_metadata(name, description, tags)
    try:
        with transaction.atomic():
            return Document.objects.create(project=project, kind=kind, key=checked_key(key), **facts)
    except IntegrityError as error:
        if not Project.objects.filter(pk=project.pk).exists():
            raise Gone from error
        raise Invalid("key", _("This key is already used in the project.")) from error


# ---------------------------------------------------------------- changing


def change_metadata(
    one: Project | Document, original: dict[str, Any], *, name: str, description: str, tags: Iterable[str]
) -> None:
    """Change name, description and tags if the stored ones are still `original` (see `metadata_of`).

    Raises Invalid, EditConflict if somebody else stored other values, and Gone if it was deleted.
    """
    wanted = _checked_metadata(name, description, tags)
    model: Any = type(one)
    with transaction.atomic():
        locked = model.objects.select_for_update().filter(pk=one.pk).first()
        if locked is None:
            raise Gone
        if metadata_of(locked) not in (original, wanted):
            raise EditConflict(metadata_of(locked))
        for field, value in wanted.items():
            setattr(locked, field, value)
        locked.save()
    for field, value in wanted.items():
        setattr(one, field, value)


def metadata_of(one: Project | Document) -> dict[str, Any]:
    """Return the values that `change_metadata` changes."""
    return {"name": one.name, "description": one.description, "tags": list(one.tags)}


# ---------------------------------------------------------------- deleting


def delete_document(document: Document) -> None:
    """Delete a template or part with its versions, drafts and samples.

    Raises Protected, and InUse for a part that published templates use.
    """
    if document.project.is_protected:
        raise Protected(_("This is built in. It can be edited, but not deleted."))
    _delete([document], document)


def delete_project(project: Project) -> None:
    """Delete a project and its contents. Raises Protected, and InUse if templates of other projects use its parts."""
    if project.is_protected:
        raise Protected(_("This is built in. It can be edited, but not deleted."))
    _delete(list(project.documents.all()), project)


def _delete(documents: list[Document], whole: Model) -> None:
    going = {document.pk for document in documents}
    with transaction.atomic():
        # In the locking order of publishing, so that publishing something that uses this waits and then finds it gone.
        list(Document.objects.select_for_update().filter(pk__in=going).order_by("pk"))
        compiled_cache.change_number(lock=True)
        users = {
            user.pk: user
            for document in documents
            if document.kind == Document.Kind.PART
            for user in part_usage.templates_using(document)
            if user.pk not in going
        }
        if users:
            raise InUse(list(users.values()))
        Document.objects.filter(pk__in=going).update(published=None)
        whole.delete()
        compiled_cache.record_change()


# ---------------------------------------------------------------- rules


def checked_key(key: str) -> str:
    """Return `key` if it is valid. Raises Invalid."""
    if not KEY.fullmatch(key):
        raise Invalid("key", _("Use lowercase letters, digits and _, at most 50 characters."))
    return key


def _checked_metadata(name: str, description: str, tags: Iterable[str]) -> dict[str, Any]:
    if not (name := checked_line(name, "name", 100)):
        raise Invalid("name", _("Enter a name."))
    return {"name": name, "description": checked_line(description, "description", 500), "tags": checked_tags(tags)}


def checked_line(text: str, field: str, longest: int) -> str:
    """Return `text` with whitespace collapsed. Raises Invalid if it is too long or contains control characters."""
    text = " ".join(text.split())
    if len(text) > longest:
        raise Invalid(field, _("At most %s characters.") % longest)
    if CONTROL_CHARACTERS.search(text):
        raise Invalid(field, _("Control characters are not allowed here."))
    return text


def checked_tags(tags: Iterable[str]) -> list[str]:
    """Return the tags without duplicates, in order. Raises Invalid."""
    found = list(dict.fromkeys(tags))
    for tag in found:
        if not isinstance(tag, str) or not TAG.fullmatch(tag):
            raise Invalid(
                "tags", _("“%s” cannot be a tag: use letters, digits, _ and -, at most 30 characters.") % str(tag)[:40]
            )
    if len(found) > MAX_TAGS:
        raise Invalid("tags", _("At most %s tags.") % MAX_TAGS)
    return found
