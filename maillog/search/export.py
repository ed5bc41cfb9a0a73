"""The log as CSV and as JSON lines, row by row: however many mails there are, only a few thousand are in memory.

CSV is for spreadsheets: UTF-8 with a byte order mark, and no cell is a formula (OWASP: a cell that begins with
``= + - @``, a tab or a carriage return gets an apostrophe in front). JSON lines hold the values as they are. Times are
ISO 8601 in UTC. What mails say is in neither.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connections
from django.db.models import F, Func, TextField

from maillog.models import Label, Message
from maillog.search.results import SearchResult
from maillog.sql.batches import id_list

CHUNK_SIZE = 5_000
BOM = "\ufeff"
FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001  (spreadsheets read them, too)
COLUMNS = (
    *("id", "created_at", "finished_at", "status", "from", "to", "subject", "reason", "template", "language"),
    *(
        "driver",
        "connection",
        "sent_by",
        "attempt_count",
        "possibly_duplicate",
        "message_id",
        "octets",
        "is_test",
        "is_sensitive",
    ),
    *("has_attachment", "resent_from"),
)
FIELDS = (
    *("id", "created_at", "finished_at", "status", "sender_id", "to_text", "subject", "reason", "template_id"),
    *(
        "language",
        "driver_id",
        "connection_id",
        "actor_name",
        "attempt_count",
        "possibly_duplicate",
        "message_id",
        "size",
        "is_test",
    ),
    *("is_sensitive", "has_attachment", "resent_from"),
)
TIMES = ("created_at", "finished_at")
TIME_PLACES = [FIELDS.index(name) for name in TIMES]
LABEL_PLACES = [FIELDS.index(name) for name in ("sender_id", "template_id", "driver_id", "connection_id")]
NUMBERS = ("id", "created_at", "finished_at", "attempt_count", "octets", "resent_from")
FLAGS = ("possibly_duplicate", "is_test", "is_sensitive", "has_attachment")
FLAG_PLACES = [COLUMNS.index(name) for name in FLAGS]
TEXT_PLACES = [place for place, name in enumerate(COLUMNS) if name not in {*NUMBERS, *FLAGS}]


class TimeAsText(Func):
    """A time as text: to make a `datetime` of it, and text of that again, took a third of an export.

    PostgreSQL writes it as it is needed. SQLite gives what Django stored, once its type is no time's any more.
    """

    template = "CAST(%(expressions)s AS text)"
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """Return ISO 8601 in UTC, to the millisecond."""
        text = """to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+00:00"')"""
        return self.as_sql(compiler, connection, template=text, **extra)


def rows(mails: SearchResult) -> Iterator[list[Any]]:
    """Yield `mails`, newest first, as values in the order of `COLUMNS`.

    Asked for in chunks by id, not by one long cursor: no snapshot stays open while somebody downloads slowly.
    """
    names: dict[int | None, str] = {None: "", **dict(Label.objects.values_list("id", "text"))}
    fields = [TimeAsText(name) if name in TIMES else F(name) for name in FIELDS]
    is_sqlite = connections[mails.rows.db].vendor == "sqlite"
    for ids in mails.batches(CHUNK_SIZE):
        values = Message.objects.filter(id__in=id_list(ids)).order_by("-id").values_list(*fields)
        for found in values.iterator(chunk_size=CHUNK_SIZE):
            row = list(found)
            for place in LABEL_PLACES:
                number = row[place]
                row[place] = names[number] if number in names else _label_text(names, number)
            if is_sqlite:
                for place in TIME_PLACES:
                    row[place] = row[place] and _iso_from_sqlite(row[place])
            yield row


def csv_lines(mails: SearchResult) -> Iterator[str]:
    """Yield the file piece by piece, byte order mark and heading first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    yield BOM + buffer.getvalue()
    for some in _batched(rows(mails)):
        buffer.seek(0)
        buffer.truncate()
        writer.writerows(map(_escape_row, some))
        yield buffer.getvalue()


def json_lines(mails: SearchResult) -> Iterator[str]:
    """Yield one JSON object a line, several lines at a time."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    for some in _batched(rows(mails)):
        yield "".join(encode(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in some)


def escape_formula(text: str) -> str:
    """Return `text` as a spreadsheet may read it: never a formula."""
    return f"'{text}" if text and text[0] in FORMULA_STARTS else text


def _escape_row(row: list[Any]) -> list[Any]:
    """Return `row` with its texts made harmless, and truth as 1 and 0; what is None becomes empty by itself."""
    for place in TEXT_PLACES:
        text = row[place]
        if text and text[0] in FORMULA_STARTS:
            row[place] = escape_formula(text)
    for place in FLAG_PLACES:
        row[place] = int(row[place])
    return row


def _batched(found: Iterable[list[Any]], size: int = 500) -> Iterator[list[list[Any]]]:
    some: list[list[Any]] = []
    for row in found:
        some.append(row)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _label_text(names: dict[int | None, str], number: int) -> str:
    """Return the text of a label that is younger than the export."""
    names[number] = Label.objects.values_list("text", flat=True).get(pk=number)
    return names[number]


def _iso_from_sqlite(moment: str) -> str:
    """Return the same of what Django stores on SQLite: "2026-11-26 08:15:30.250000", with a fraction or without."""
    return f"{moment[:10]}T{moment[11:19]}.{moment[20:23] or '000'}+00:00"
