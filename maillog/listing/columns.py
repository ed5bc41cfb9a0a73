"""The columns of the message list: which exist, who chose which, and what each cell shows.

Status, message and time are always shown. A choice is stored per person and also applies on phones. Without one, the
default columns fit most screens, and phones show none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from django.template.defaultfilters import filesizeformat
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from maillog.content import template_link
from maillog.durations import duration
from maillog.models import ChosenColumns, Message
from maillog.sql.prepared import PreparedQuery, db_value

Texts = Mapping[int, str]  # id of a label -> its text


@dataclass(frozen=True, slots=True)
class Column:
    """One optional column. `shown` returns the HTML of its cell for a message, given the texts of labels."""

    name: str
    label: str | Promise
    fields: tuple[str, ...]  # of `Message` that it reads
    shown: Callable[[Message, Texts], str]
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The optional columns of one person's list, in order."""

    columns: tuple[Column, ...]
    is_chosen: bool = False  # False: the defaults

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.columns)

    @property
    def fields(self) -> set[str]:
        """The fields of `Message` that the columns read."""
        return {name for one in self.columns for name in one.fields}

    def has(self, name: str) -> bool:
        return name in self.names


def _template(mail: Message, texts: Texts) -> str:
    key = texts.get(mail.template_id or 0, "")
    if not key:
        return ""
    edition = template_link.label_of_version(mail.template_version, mail.language)
    return _cell(key, "mono small") + (_note(edition) if edition else "")


def _connection(mail: Message, texts: Texts) -> str:
    return _cell(texts.get(mail.connection_id or 0, ""))


def _connection_and_driver(mail: Message, texts: Texts) -> str:
    driver = texts.get(mail.driver_id or 0, "")
    return _connection(mail, texts) + (_note(driver) if driver else "")


def _driver(mail: Message, texts: Texts) -> str:
    return _cell(texts.get(mail.driver_id or 0, ""))


def _attempts(mail: Message, _texts: Texts) -> str:
    return str(mail.attempt_count)


def _language(mail: Message, _texts: Texts) -> str:
    return escape(template_link.language_name(mail.language, get_language() or "en")) if mail.language else ""


def _actor(mail: Message, _texts: Texts) -> str:
    return _cell(mail.actor_name) if mail.actor_name else _note(gettext("System"))


def _sender(mail: Message, texts: Texts) -> str:
    return _cell(texts.get(mail.sender_id, ""))


def _size(mail: Message, _texts: Texts) -> str:
    return filesizeformat(mail.size)


def _number(mail: Message, _texts: Texts) -> str:
    return str(mail.pk)


def _finished(mail: Message, _texts: Texts) -> str:
    if mail.finished_at is None:
        return ""
    local = localtime(mail.finished_at)
    took = duration(max(0.0, (mail.finished_at - mail.created_at).total_seconds()))
    return format_html(
        '<time datetime="{}" title="{}">{}</time>{}',
        local.isoformat(timespec="seconds"),
        date_format(local, "j M Y, H:i:s T"),
        date_format(local, "H:i:s"),
        _note(gettext("after %(time)s") % {"time": took}),
    )


COLUMNS = (
    Column("template", _("Template"), ("template_id", "template_version", "language"), _template),
    Column("connection", _("Connection"), ("connection_id", "driver_id"), _connection_and_driver),
    Column("driver", _("Driver"), ("driver_id",), _driver),
    Column("attempts", _("Attempts"), (), _attempts, is_number=True),
    Column("language", _("Language"), ("language",), _language),
    Column("actor", _("Sent by"), ("actor_name",), _actor),
    Column("sender", _("Sender"), ("sender_id",), _sender),
    Column("size", _("Size"), ("size",), _size, is_number=True),
    Column("finished", _("Finished"), ("finished_at",), _finished),
    Column("number", _("Number"), (), _number, is_number=True),
)
CHOSEN_NAMES: PreparedQuery[str] = PreparedQuery(
    lambda user_id: ChosenColumns.objects.filter(user_id=user_id).values_list("names", flat=True)
)
DEFAULT_NAMES = ("template", "connection")
CONNECTION_WITHOUT_DRIVER = Column("connection", _("Connection"), ("connection_id",), _connection)


def layout(names: Iterable[str], *, is_chosen: bool) -> Layout:
    """Return the layout with these columns, in the order of `COLUMNS`; unknown names are ignored."""
    wanted = set(names)
    # With a column of its own, the driver is not repeated below the connection.
    found = [
        CONNECTION_WITHOUT_DRIVER if one.name == "connection" and "driver" in wanted else one
        for one in COLUMNS
        if one.name in wanted
    ]
    return Layout(tuple(found), is_chosen)


def layout_of(user_id: int) -> Layout:
    """Return the layout of a person's list: one query."""
    names = CHOSEN_NAMES.first(db_value(ChosenColumns, "user", user_id))
    return layout(DEFAULT_NAMES, is_chosen=False) if names is None else layout(names.split(), is_chosen=True)


def choose(user_id: int, names: Iterable[str]) -> None:
    """Store a person's choice of columns; unknown names are ignored."""
    chosen = " ".join(layout(names, is_chosen=True).names)
    ChosenColumns.objects.update_or_create(user_id=user_id, defaults={"names": chosen})


def reset(user_id: int) -> None:
    """Restore the default columns of a person."""
    ChosenColumns.objects.filter(user_id=user_id).delete()


def cell_renderers(chosen: Layout) -> list[tuple[str, Callable[[Message, Texts], str]]]:
    """Return, per column, the opening tag of its cells and the function that returns their content."""
    found = []
    for one in chosen.columns:
        classes = " ".join(filter(None, ["number" if one.is_number else "", "" if chosen.is_chosen else "wide-only"]))
        attributes = f' class="{classes}"' if classes else ""
        if chosen.is_chosen:
            attributes += f' data-label="{escape(str(one.label))}"'
        found.append((f"<td{attributes}>", one.shown))
    return found


@lru_cache(maxsize=2000)
def _cell(text: str, classes: str = "") -> str:
    if not text:
        return ""
    escaped = escape(text)
    return f'<span class="{classes}{" " if classes else ""}truncate" title="{escaped}">{escaped}</span>'


@lru_cache(maxsize=2000)
def _note(text: str) -> SafeString:
    return mark_safe(f'<span class="muted small">{escape(text)}</span>')  # noqa: S308
