"""The list of templates and parts: 50 per page, from a fixed number of queries."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from threading import Lock

from django.contrib.auth.base_user import AbstractBaseUser
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_noop

from templates_app.library.document_filter import DocumentFilter
from templates_app.models import Document, Draft, Project, Version

PAGE_SIZE = 50  # documents on a page
LANGUAGE_CACHE_SIZE = 5_000  # versions
NEWER, DRAFT, PUBLISHED, NOT_PUBLISHED = (
    gettext_noop("Newer built-in"),
    gettext_noop("Your draft"),
    gettext_noop("Published"),
    gettext_noop("Not published"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A document as it is searched."""

    pk: int
    kind: str
    key: str
    name: str
    description: str
    tags: tuple[str, ...]
    project: str

    @property
    def full_key(self) -> str:
        """The key that a send call uses: ``project/key``."""
        return f"{self.project}/{self.key}"


@dataclass(slots=True)
class Row:
    """A document as the list shows it, already formatted: template filters would take most of the page's time."""

    entry: Entry
    href: str
    tone: str = "muted"
    state: str = ""
    spoken: str = ""  # its languages
    published: str = ""  # version and day, in local time
    iso: str = ""
    exactly: str = ""


@dataclass(slots=True)
class Group:
    """A project, and its documents on this page."""

    project: Project
    rows: list[Row] = field(default_factory=list)


@dataclass(slots=True)
class SearchPage:
    """A page of documents, out of `total` that match. `kinds` and `tags` count those that contain the words."""

    groups: list[Group] = field(default_factory=list)
    total: int = 0
    page: int = 1
    pages: int = 1
    kinds: dict[str, int] = field(default_factory=dict)
    tags: dict[str, int] = field(default_factory=dict)  # the most frequent first


def search_documents(user: AbstractBaseUser, filters: DocumentFilter, page: int = 1) -> SearchPage:
    """Return the page `page` (from 1) of the documents that match a valid filter, grouped by project."""
    projects = {project.pk: project for project in Project.objects.all()}
    words, kind, tag = filters.words, filters.kind_chosen, filters.tag_chosen
    found = [entry for entry in _entries(projects) if all(word in _search_text(entry, projects) for word in words)]
    kinds = {one: sum(entry.kind == one for _, entry in found) for one in Document.Kind.values}
    tags: dict[str, int] = {}
    for _, entry in found:
        for one in entry.tags:
            tags[one] = tags.get(one, 0) + 1
    chosen = [(pk, entry) for pk, entry in found if (not kind or entry.kind == kind) and (not tag or tag in entry.tags)]
    pages = max(1, -(-len(chosen) // PAGE_SIZE))
    page = min(max(1, page), pages)
    shown = chosen[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    rows = {row.entry.pk: row for row in rows_of([entry for _, entry in shown], user)}
    groups: dict[int, Group] = {}
    for project_pk, entry in shown:
        groups.setdefault(project_pk, Group(projects[project_pk])).rows.append(rows[entry.pk])
    if not (words or kind or tag) and page == pages:  # empty projects
        full = {project_pk for project_pk, _ in found}
        groups |= {pk: Group(project) for pk, project in projects.items() if pk not in full}
    tags = dict(sorted(tags.items(), key=lambda pair: (-pair[1], pair[0])))
    return SearchPage(list(groups.values()), len(chosen), page, pages, kinds, tags)


def _entries(projects: dict[int, Project]) -> Iterable[tuple[int, Entry]]:
    """Yield (id of the project, document), by project, templates before parts."""
    places = {pk: number for number, pk in enumerate(projects)}
    found = Document.objects.order_by().values_list("pk", "kind", "key", "name", "description", "tags", "project_id")
    rows = sorted(found, key=lambda row: (places[row[6]], row[1] != Document.Kind.TEMPLATE, row[2]))
    for pk, kind, key, name, description, tags, project in rows:
        yield project, Entry(pk, kind, key, name, description, tuple(tags), projects[project].key)


def _search_text(found: tuple[int, Entry], projects: dict[int, Project]) -> str:
    """Return the case-folded text that is searched."""
    project, entry = projects[found[0]], found[1]
    parts = (entry.full_key, entry.name, entry.description, *entry.tags, project.name, *project.tags)
    return "\n".join(parts).casefold()


def rows_of(entries: Sequence[Entry], user: AbstractBaseUser) -> list[Row]:
    """Return the rows of `entries`, in their order: four queries."""
    ids = [entry.pk for entry in entries]
    published = {
        document.pk: document
        for document in Document.objects.filter(pk__in=ids)
        .select_related("published", "published__base")
        .defer("published__content", "published__base__content")
    }
    drafts = set(Draft.objects.filter(document__in=ids, user_id=user.pk).values_list("document_id", flat=True))
    newest = {
        pk: (number, digest)
        for pk, number, digest in Version.objects.filter(document__in=ids, is_builtin=True)
        .order_by("number")
        .values_list("document", "number", "digest")
    }
    spoken = languages_of([one.published for one in published.values() if one.published])
    home = reverse("templates_app:list")
    words = {state: gettext(state) for state in (NEWER, DRAFT, PUBLISHED, NOT_PUBLISHED)}
    days: dict[date, str] = {}
    rows = []
    for entry in entries:
        document = published.get(entry.pk)
        version = document.published if document else None
        # As reverse("templates_app:document"), which is too slow to call for every row.
        row = Row(entry, href=f"{home}{entry.project}/{entry.kind}/{entry.key}/")
        tone, state = ("good", PUBLISHED) if version else ("muted", NOT_PUBLISHED)
        if document and version:
            at = timezone.localtime(version.created_at)
            day = days.get(at.date()) or days.setdefault(at.date(), date_format(at, "j M Y"))
            row.published = gettext("version %(number)s, %(day)s") % {"number": version.number, "day": day}
            row.iso, row.exactly = at.isoformat(), f"{day}, {at:%H:%M:%S %Z}"
            row.spoken = ", ".join(spoken[version.digest])
        if entry.pk in drafts:
            tone, state = "info", DRAFT
        if document and version and not version.is_builtin:
            number, digest = newest.get(entry.pk, (0, ""))
            known = {version.digest, version.base.digest if version.base else ""}
            if number > document.builtin_seen and digest not in known:
                tone, state = "warn", NEWER
        row.tone, row.state = tone, words[state]
        rows.append(row)
    return rows


# ---------------------------------------------------------------- languages

_languages: OrderedDict[str, tuple[str, ...]] = OrderedDict()
_lock = Lock()


def languages_of(versions: Sequence[Version]) -> dict[str, tuple[str, ...]]:
    """Return the languages of `versions` by their digest, the default first.

    A digest identifies its content, so the languages are cached by digest and only new ones are read.
    """
    wanted = {version.digest: version.pk for version in versions}
    with _lock:
        found = {digest: _languages[digest] for digest in wanted if digest in _languages}
    missing = [pk for digest, pk in wanted.items() if digest not in found]
    fresh = {}
    if missing:
        for digest, content in Version.objects.filter(pk__in=missing).values_list("digest", "content"):
            default = content["default_language"]
            fresh[digest] = (default, *sorted(set(content["languages"]) - {default}))
    with _lock:
        _languages.update(fresh)
        while len(_languages) > LANGUAGE_CACHE_SIZE:
            _languages.popitem(last=False)
    return {**dict.fromkeys(wanted, ()), **found, **fresh}
