"""Every change to what there is: projects, templates, parts, their names and tags.

Protected projects and their documents cannot be deleted, nor can a part that a published template uses. What documents
say is `keeping`'s matter.
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

RESERVED_KEYS = frozenset({"new", "shared", "import", "export", "test"})  # addresses of pages
TAG = re.compile(r"[\w-]{1,30}")
MAX_TAGS = 20


class Invalid(LibraryError):
    """A value is not as it must be; `field` is its name: key, name, description, tags, values."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class Protected(LibraryError):
    """It came with the program, which needs it."""


class InUse(LibraryError):
    """Published templates use it; `users` are these."""

    def __init__(self, users: Sequence[Document]) -> None:
        super().__init__(_("It cannot be deleted, because templates use it."))
        self.users = list(users)


class EditConflict(LibraryError):
    """Somebody else changed it after the page was opened; `now` is what is stored."""

    def __init__(self, now: dict[str, Any]) -> None:
        super().__init__(_("Somebody else changed this meanwhile."))
        self.now = now


# ---------------------------------------------------------------- making


def create_project(*, key: str, name: str, description: str = "", tags: Iterable[str] = ()) -> Project:
    """Return a new project. Raises Invalid, also if there is one with this key."""
    if checked_key(key) in RESERVED_KEYS:
        raise Invalid("key", _("This word has a meaning in the addresses of pages. Choose another one."))
    facts = _checked_metadata(name, description, tags)
    try:
        with transaction.atomic():
            return Project.objects.create(key=key, **facts)
    except IntegrityError as error:
        raise Invalid("key", _("There is a project with this key.")) from error


def create_document(
    project: Project, kind: str, *, key: str, name: str, description: str = "", tags: Iterable[str] = ()
) -> Document:
    """Return a new template or part (`kind`), of which nothing is published yet.

    Raises Invalid as above, and Gone if the project was deleted meanwhile.
    """
    if kind not in Document.Kind.values:
        raise Invalid("kind", _("It is either a template or a part."))
    facts = _checked_metadata(name, description, tags)
    try:
        with transaction.atomic():
            return Document.objects.create(project=project, kind=kind, key=checked_key(key), **facts)
    except IntegrityError as error:
        if not Project.objects.filter(pk=project.pk).exists():
            raise Gone from error
        raise Invalid("key", _("There is one with this key in the project already.")) from error


# ---------------------------------------------------------------- changing


def change_metadata(
    one: Project | Document, was: dict[str, Any], *, name: str, description: str, tags: Iterable[str]
) -> None:
    """Write name, description and tags anew, if they are still what they `was` (see `facts_of`).

    Raises Invalid, ChangedMeanwhile if somebody else changed them and not to the same, and Gone if it was deleted.
    """
    wanted = _checked_metadata(name, description, tags)
    model: Any = type(one)
    with transaction.atomic():
        locked = model.objects.select_for_update().filter(pk=one.pk).first()
        if locked is None:
            raise Gone
        if metadata_of(locked) not in (was, wanted):
            raise EditConflict(metadata_of(locked))
        for field, value in wanted.items():
            setattr(locked, field, value)
        locked.save()
    for field, value in wanted.items():
        setattr(one, field, value)


def metadata_of(one: Project | Document) -> dict[str, Any]:
    """Return what `change` changes."""
    return {"name": one.name, "description": one.description, "tags": list(one.tags)}


# ---------------------------------------------------------------- deleting


def delete_document(document: Document) -> None:
    """Delete a template or part with its versions, drafts and samples.

    Raises Protected, and InUse for a part that published templates use.
    """
    if document.project.is_protected:
        raise Protected(_("It came with the program, which needs it. It can be edited, but not deleted."))
    _delete([document], document)


def delete_project(project: Project) -> None:
    """Delete a project with all that is in it. Raises Protected, and InUse if templates elsewhere use its parts."""
    if project.is_protected:
        raise Protected(_("It came with the program, which needs it. It can be edited, but not deleted."))
    _delete(list(project.documents.all()), project)


def _delete(documents: list[Document], whole: Model) -> None:
    going = {document.pk for document in documents}
    with transaction.atomic():
        # In the order in which publishing locks. Who publishes something that uses this waits, and sees it gone.
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
    """Return `key` if it can be one. Raises Invalid."""
    if not KEY.fullmatch(key):
        raise Invalid("key", _("Use small letters, digits and _, at most 50."))
    return key


def _checked_metadata(name: str, description: str, tags: Iterable[str]) -> dict[str, Any]:
    if not (name := checked_line(name, "name", 100)):
        raise Invalid("name", _("Give it a name."))
    return {"name": name, "description": checked_line(description, "description", 500), "tags": checked_tags(tags)}


def checked_line(text: str, field: str, longest: int) -> str:
    """Return `text` with single spaces. Raises Invalid if it is too long or holds control characters."""
    text = " ".join(text.split())
    if len(text) > longest:
        raise Invalid(field, _("At most %s characters.") % longest)
    if CONTROL_CHARACTERS.search(text):
        raise Invalid(field, _("Control characters are not allowed here."))
    return text


def checked_tags(tags: Iterable[str]) -> list[str]:
    """Return the tags once each, in their order. Raises Invalid."""
    found = list(dict.fromkeys(tags))
    for tag in found:
        if not isinstance(tag, str) or not TAG.fullmatch(tag):
            raise Invalid("tags", _("“%s” cannot be a tag: use letters, digits, _ and -, at most 30.") % str(tag)[:40])
    if len(found) > MAX_TAGS:
        raise Invalid("tags", _("At most %s tags.") % MAX_TAGS)
    return found
