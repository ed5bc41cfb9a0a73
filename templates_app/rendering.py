"""The door to the templates: `render` turns a key and values into the parts of a mail, from what is published.

Each process keeps what it has compiled and asks the database once a second whether anything has changed; whoever
changes what mails say calls `note_change` in the same transaction. Where a built-in template is missing in the
database, the one delivered with the program is used, so that account mails always work.

Published versions have passed the `workshop` with all their samples and are rendered in this process. Drafts never are:
`bundle_of` prepares them for the workshop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise

from templates_app.content.content import Content, key_parts
from templates_app.engine.engine import Bundle, Compiled, Problem, RenderError
from templates_app.engine.parts import used_in
from templates_app.files.folders import DocumentFiles, ProjectFiles, read_folder
from templates_app.models import Change, Document, SharedValue
from templates_app.part_usage import templates_using

__all__ = [
    "RenderedMail",
    "TemplateError",
    "UnknownTemplateError",
    "bundle_of",
    "forget",
    "note_change",
    "render",
    "templates_using",
    "used_parts",
]

BUILTIN = Path(__file__).parent / "builtin"
LOOK_AGAIN = 1.0  # seconds between two looks whether something has changed
MOST_DEPTH = 20  # parts that use parts
MOST_KEPT = 500  # templates that a process keeps compiled


class TemplateError(ValueError):
    """A template is missing or cannot be rendered with these values; `problems` and the text say which and why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

    @property
    def is_about_values(self) -> bool:
        """Whether the values are at fault, and nothing in the template."""
        return all(problem.part == "values" for problem in self.problems)


class UnknownTemplateError(TemplateError):
    """There is no published template with this key."""


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """What a template became. `subject` is one line; `html` is empty for a plain text template.

    `version` is the number of the version that it was rendered from; 0 for the one delivered with the program, where
    the database has none.
    """

    key: str
    language: str
    subject: str
    text: str
    html: str = ""
    version: int = 0


def render(key: str, values: Mapping[str, object], *, language: str = "") -> RenderedMail:
    """Render the published template `key` (``project/name``) with `values`.

    In `language`, or the nearest one that the template has; the result names it. Values are plain data, dates, or lazy
    translations. Raises UnknownTemplateError, and TemplateError for values that are missing or of a wrong type.
    """
    compiled = kept().compiled(key, language)
    try:
        rendered = compiled.render({name: prepared(value) for name, value in values.items()})
    except RenderError as error:
        raise TemplateError(error.problems) from error
    return RenderedMail(
        key=key,
        language=rendered.language,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        version=compiled.bundle.version,
    )


def prepared(value: object) -> object:
    """Return `value` without what belongs to Django: lazy text as text, a moment in the local time zone."""
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, datetime) and timezone.is_aware(value):
        return timezone.localtime(value)
    return value


# ---------------------------------------------------------------- what a process keeps


class Kept:
    """What was compiled since the last change. A new one is begun when `Change.number` differs."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.bundles: dict[str, Bundle] = {}
        self.templates: dict[tuple[str, str, str], Compiled] = {}  # by key and the languages of subject and body
        self.asked: dict[tuple[str, str], Compiled] = {}  # by key and the language that was asked for

    def compiled(self, key: str, language: str) -> Compiled:
        """Return the template compiled for `language`. Raises TemplateError."""
        found = self.asked.get((key, language))
        if found is None:
            bundle = self.bundle(key)
            exact = (key, bundle.content.subject_in(language)[1], bundle.content.body_in(language)[1])
            found = self.templates.get(exact)
            if found is None:
                try:
                    found = Compiled(bundle, language)
                except RenderError as error:
                    raise TemplateError(error.problems) from error
                if len(self.templates) >= MOST_KEPT:
                    self.templates.clear()
                    self.asked.clear()
                self.templates[exact] = found
            if len(self.asked) >= 10 * MOST_KEPT:
                self.asked.clear()
            self.asked[key, language] = found
        return found

    def bundle(self, key: str) -> Bundle:
        """Return the published template with all that it uses. Raises TemplateError if there is none."""
        found = self.bundles.get(key)
        if found is None:
            found = published(key)
            if len(self.bundles) >= MOST_KEPT:
                self.bundles.clear()
            self.bundles[key] = found
        return found


class Watch(threading.local):
    """The change that this thread has made itself, in a transaction that may still be open; 0: none."""

    own_change = 0


_kept = Kept(-1)
_looked = float("-inf")
_own = Watch()
_lock = threading.Lock()


def kept() -> Kept:
    """Return what this process keeps, begun anew if something has changed; looks once a second at most.

    A thread that has changed something and not yet committed it gets one of its own: what it sees is not for others.
    """
    global _kept, _looked  # this process has one
    if _own.own_change:
        if transaction.get_connection().in_atomic_block and change_number() == _own.own_change:
            return Kept(_own.own_change)
        _own.own_change = 0  # committed, or rolled back
    now = time.monotonic()
    if now - _looked < LOOK_AGAIN:
        return _kept
    number = change_number()  # before anything is read, so that what is kept is never older than its number
    with _lock:
        if number != _kept.number:
            _kept = Kept(number)
        _looked = now
        return _kept


def change_number(*, lock: bool = False) -> int:
    """Return the number of the last change, 0 if there was none.

    With `lock`, in a transaction, nobody else publishes, deletes or changes shared values until that ends.
    """
    if lock:
        return Change.objects.select_for_update().get_or_create(pk=1)[0].number
    return Change.objects.values_list("number", flat=True).first() or 0


def note_change() -> None:
    """Say, in the transaction that changes what mails say, that it did. Other processes notice within two seconds."""
    with transaction.atomic():
        change, _ = Change.objects.select_for_update().get_or_create(pk=1)
        # Never a number that was given before and rolled back: what was kept for that one must not come back.
        change.number = max(change.number + 1, time.time_ns() // 1000)
        change.save(update_fields=["number"])
    if transaction.get_connection().in_atomic_block:
        _own.own_change = change.number
    transaction.on_commit(forget)


def forget() -> None:
    """Look for changes at the next rendering, without waiting for the second to pass."""
    global _looked  # this process has one
    _looked = float("-inf")
    _own.own_change = 0


# ---------------------------------------------------------------- bundles


def published(key: str) -> Bundle:
    """Return the bundle of a published or built-in template. Raises UnknownTemplateError if there is none."""
    parts = key_parts(key)
    if parts is None:
        raise UnknownTemplateError(
            [Problem(key[:101], "values", 0, "This is not a template key such as account/welcome.")]
        )
    project, name = parts
    document = (
        Document.objects.filter(kind=Document.Kind.TEMPLATE, project__key=project, key=name, published__isnull=False)
        .select_related("published")
        .first()
    )
    if document is not None and document.published is not None:
        content, version = document.published.read(), document.published.number
    elif (on_disk := documents_in(BUILTIN).get((Document.Kind.TEMPLATE.value, key))) is not None:
        content, version = on_disk.content, 0
    else:
        raise UnknownTemplateError([Problem(key, "values", 0, "There is no published template with this key.")])
    return Bundle(key=key, content=content, parts=parts_of(content, key), shared=shared_values(), version=version)


def bundle_of(document: Document, content: Content, *, part: tuple[Document, Content] | None = None) -> Bundle:
    """Return `content`, a draft or an old version of `document`, together with the published parts that it uses.

    `part` is a part and what a draft of it says, to be used instead of what is published of it.
    """
    key = document.full_key
    is_part = document.kind == Document.Kind.PART
    instead = {part[0].full_key: part[1]} if part is not None else {}
    return Bundle(
        key=key,
        content=content,
        parts=parts_of(content, key, instead=instead),
        shared=shared_values(),
        is_part=is_part,
    )


def parts_of(content: Content, key: str, *, instead: Mapping[str, Content] | None = None) -> dict[str, Content]:
    """Return the parts that `content`, which belongs to `key`, uses, also through others; unknown ones are left out."""
    found: dict[str, Content] = {}
    unknown: set[str] = set()
    wanted = used_in(content, key)
    for _ in range(MOST_DEPTH):
        wanted -= found.keys() | unknown
        if not wanted:
            break
        loaded = load_parts(wanted, instead or {})
        unknown |= wanted - loaded.keys()
        found |= loaded
        wanted = {name for part, its in loaded.items() for name in used_in(its, part)}
    return found


def load_parts(keys: set[str], instead: Mapping[str, Content]) -> dict[str, Content]:
    """Return what is published of these parts, or delivered where nothing is."""
    found = {key: instead[key] for key in keys if key in instead}
    which = Q()
    for key in keys - found.keys():
        if parts := key_parts(key):
            which |= Q(project__key=parts[0], key=parts[1])
    if which:
        documents = Document.objects.filter(which, kind=Document.Kind.PART, published__isnull=False)
        for document in documents.select_related("project", "published"):
            if document.published is not None:
                found[document.full_key] = document.published.read()
    for key in keys - found.keys():
        if (on_disk := documents_in(BUILTIN).get((Document.Kind.PART.value, key))) is not None:
            found[key] = on_disk.content
    return found


def shared_values() -> dict[str, str]:
    """Return the values that every template can use, by name."""
    shared = {name: document.value for project in shipped() for name, document in project.shared.items()}
    shared.update(SharedValue.objects.values_list("name", "value"))
    shared["base_url"] = settings.BASE_URL
    return shared


def shipped() -> tuple[ProjectFiles, ...]:
    """Return the projects that come with the program; none if their folder is not there. Raises FilesError."""
    return projects_in(BUILTIN)


@cache
def projects_in(folder: Path) -> tuple[ProjectFiles, ...]:
    """Return the projects in a folder, read once by each process."""
    return tuple(read_folder(folder)) if folder.is_dir() and any(folder.iterdir()) else ()


@cache
def documents_in(folder: Path) -> dict[tuple[str, str], DocumentFiles]:
    """Return the documents in a folder, by kind and whole key."""
    return {
        (document.kind, f"{project.key}/{document.key}"): document
        for project in projects_in(folder)
        for document in project.documents
    }


def used_parts(content: Content, key: str) -> set[str]:
    """Return the whole keys of the parts that `content`, which belongs to `key`, uses directly or through others."""
    return set(parts_of(content, key))
