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
from datetime import UTC, datetime
from typing import Any

from maillog.bulk import among
from maillog.models import Label, Message
from maillog.search import Found

CHUNK = 5_000
BOM = "\ufeff"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  (spreadsheets read them, too)
COLUMNS = (
    *("id", "created_at", "finished_at", "status", "from", "to", "subject", "reason", "template", "language"),
    *("driver", "connection", "sent_by", "tries", "possibly_twice", "message_id", "octets", "is_test", "is_sensitive"),
    *("has_attachment", "repeats"),
)
FIELDS = (
    *("id", "created_at", "finished_at", "status", "sender_id", "to_text", "subject", "reason", "template_id"),
    *("language", "driver_id", "connection_id", "actor_name", "tries", "maybe_twice", "message_id", "size", "is_test"),
    *("is_sensitive", "has_attachment", "repeats"),
)
TIMES = (FIELDS.index("created_at"), FIELDS.index("finished_at"))
LABELS = tuple(FIELDS.index(name) for name in ("sender_id", "template_id", "driver_id", "connection_id"))


def rows(mails: Found) -> Iterator[list[Any]]:
    """Yield `mails`, newest first, as values in the order of `COLUMNS`.

    Asked for in chunks by id, not by one long cursor: no snapshot stays open while somebody downloads slowly.
    """
    names: dict[int, str] = dict(Label.objects.values_list("id", "text"))
    for ids in mails.batches(CHUNK):
        values = Message.objects.filter(id__in=among(ids)).order_by("-id").values_list(*FIELDS)
        for found in values.iterator(chunk_size=CHUNK):
            row = list(found)
            for place in LABELS:
                row[place] = "" if row[place] is None else _name(names, row[place])
            for place in TIMES:
                row[place] = None if row[place] is None else _iso(row[place])
            yield row


def csv_lines(mails: Found) -> Iterator[str]:
    """Yield the file piece by piece, byte order mark and heading first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    yield BOM + buffer.getvalue()
    for some in _together(rows(mails)):
        buffer.seek(0)
        buffer.truncate()
        writer.writerows([cell(value) for value in row] for row in some)
        yield buffer.getvalue()


def json_lines(mails: Found) -> Iterator[str]:
    """Yield one JSON object a line, several lines at a time."""
    for some in _together(rows(mails)):
        yield "".join(json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) + "\n" for row in some)


def cell(value: object) -> object:
    """Return `value` as a spreadsheet may read it: never a formula, truth as 1 and 0."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    if isinstance(value, bool):
        return int(value)
    return "" if value is None else value


def _together(found: Iterable[list[Any]], size: int = 500) -> Iterator[list[list[Any]]]:
    some: list[list[Any]] = []
    for row in found:
        some.append(row)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _name(names: dict[int, str], number: int) -> str:
    """Return the text of a label, which may be younger than the export."""
    if number not in names:
        names[number] = Label.objects.values_list("text", flat=True).get(pk=number)
    return names[number]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
