"""The log as CSV and as JSON lines, row by row: only a few thousand messages are in memory at a time.

CSV is for spreadsheets: UTF-8 with a byte order mark, and no cell is a formula (OWASP, CSV injection: a cell that
begins with ``= + - @``, a tab or a carriage return gets an apostrophe in front). JSON lines contain the values
unchanged. Times are ISO 8601 in UTC. Neither contains message content.
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
FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001  (spreadsheets accept these, too)
# Column of the file -> attribute of the message; for labels, the id.
FIELD_OF_COLUMN = {
    "id": "id",
    "created_at": "created_at",
    "finished_at": "finished_at",
    "status": "status",
    "from": "sender_id",
    "to": "to_text",
    "subject": "subject",
    "reason": "reason",
    "template": "template_id",
    "language": "language",
    "driver": "driver_id",
    "connection": "connection_id",
    "sent_by": "actor_name",
    "attempt_count": "attempt_count",
    "possibly_duplicate": "possibly_duplicate",
    "message_id": "message_id",
    "octets": "size",
    "is_test": "is_test",
    "is_sensitive": "is_sensitive",
    "has_attachment": "has_attachment",
    "resent_from": "resent_from",
}
COLUMNS, FIELDS = tuple(FIELD_OF_COLUMN), tuple(FIELD_OF_COLUMN.values())
TIMES = ("created_at", "finished_at")
TIME_POSITIONS = [FIELDS.index(name) for name in TIMES]
LABEL_POSITIONS = [FIELDS.index(name) for name in ("sender_id", "template_id", "driver_id", "connection_id")]
NUMBERS = ("id", "created_at", "finished_at", "attempt_count", "octets", "resent_from")
FLAGS = ("possibly_duplicate", "is_test", "is_sensitive", "has_attachment")
FLAG_POSITIONS = [COLUMNS.index(name) for name in FLAGS]
TEXT_POSITIONS = [position for position, name in enumerate(COLUMNS) if name not in {*NUMBERS, *FLAGS}]


class TimeAsText(Func):
    """A time as text: parsing it into a `datetime` and formatting that took a third of an export.

    PostgreSQL formats it. SQLite returns what Django stored, which no converter touches once the type is text.
    """

    template = "CAST(%(expressions)s AS text)"
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """Format as ISO 8601 in UTC, to the millisecond."""
        text = """to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+00:00"')"""
        return self.as_sql(compiler, connection, template=text, **extra)


def rows(result: SearchResult) -> Iterator[list[Any]]:
    """Yield the messages of `result`, newest first, as values in the order of `COLUMNS`.

    Read in chunks by id instead of with one long cursor, so that a slow download keeps no snapshot open.
    """
    names: dict[int | None, str] = {None: "", **dict(Label.objects.values_list("id", "text"))}
    fields = [TimeAsText(name) if name in TIMES else F(name) for name in FIELDS]
    is_sqlite = connections[result.rows.db].vendor == "sqlite"
    for ids in result.batches(CHUNK_SIZE):
        values = Message.objects.filter(id__in=id_list(ids)).order_by("-id").values_list(*fields)
        for found in values.iterator(chunk_size=CHUNK_SIZE):
            row = list(found)
            for position in LABEL_POSITIONS:
                number = row[position]
                row[position] = names[number] if number in names else _label_text(names, number)
            if is_sqlite:
                for position in TIME_POSITIONS:
                    row[position] = row[position] and _iso_from_sqlite(row[position])
            yield row


def csv_lines(result: SearchResult) -> Iterator[str]:
    """Yield the file in pieces, beginning with the byte order mark and the header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    yield BOM + buffer.getvalue()
    for some in _batched(rows(result)):
        buffer.seek(0)
        buffer.truncate()
        writer.writerows(map(_escape_row, some))
        yield buffer.getvalue()


def json_lines(result: SearchResult) -> Iterator[str]:
    """Yield one JSON object per line, several lines at a time."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    for some in _batched(rows(result)):
        yield "".join(encode(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in some)


def escape_formula(text: str) -> str:
    """Return `text` so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text and text[0] in FORMULA_STARTS else text


def _escape_row(row: list[Any]) -> list[Any]:
    """Escape the texts of `row` and write booleans as 1 and 0. The writer leaves None empty."""
    for position in TEXT_POSITIONS:
        text = row[position]
        if text and text[0] in FORMULA_STARTS:
            row[position] = escape_formula(text)
    for position in FLAG_POSITIONS:
        row[position] = int(row[position])
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
    """Return the text of a label created after the export began."""
    names[number] = Label.objects.values_list("text", flat=True).get(pk=number)
    return names[number]


def _iso_from_sqlite(moment: str) -> str:
    """Return the same of what Django stores on SQLite: "2026-11-26 08:15:30.250000", with a fraction or without."""
    return f"{moment[:10]}T{moment[11:19]}.{moment[20:23] or '000'}+00:00"
