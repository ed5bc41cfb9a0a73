"""The search index of the log: one entry a mail, in a table of its own that Django does not know.

SQLite has an FTS5 table, PostgreSQL a `tsvector` under a GIN index; both hold words that `maillog.index.tokens` cut.
Every write to the index is here, in the transaction of the rows: `add` with new mails, `refresh` where the error of a
mail changed, `remove` with mails that are deleted. A mail that simply is sent costs nothing after it was queued: what
is not in the entry (queued, sending, held and sent; driver and connection of mails that are not in trouble) is read
from the row.

Entries of SQLite keep their text. Without it ("external content") an entry could only be taken out by whoever still
knows its exact former words, and one mistake would damage the index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import blake2s
from itertools import islice
from typing import NamedTuple

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F

from maillog.index.tokens import tokens
from maillog.models import Message, Status
from maillog.sql.batches import array_element, array_text

TABLE = "maillog_index"
TEXT_COLUMNS = ("subject", "recipients", "sender", "error")  # what free words are looked for in
COLUMNS = (*TEXT_COLUMNS, "actor", "tags")
# States whose name is in the entry, with the words of the reason, driver and connection: these entries are written anew
# anyway. What a mail waits for (held) is the same for all.
PROBLEM_STATUSES = frozenset({Status.FAILED, Status.UNCERTAIN, Status.DEFERRED, Status.SKIPPED, Status.CANCELLED})
EVERY_ENTRY = "all"  # a tag of every entry, because an index can only look for what is there
WEIGHTS = dict(zip(TEXT_COLUMNS, "ABCD", strict=True))
PREFIXES = {"actor": "@", "tags": "="}  # before their words on PostgreSQL, so that no free word finds them
MAX_TEXT_LENGTH = 50_000  # characters of one text: some thousand recipients
MAX_POSITION = 16_383  # of a word in a tsvector
BATCH = 500
REBUILD_BATCH = 5_000


class IndexedMessage(NamedTuple):
    """What an entry is made of: columns of the row, and the address of the sender."""

    id: int
    status: str
    subject: str
    to_text: str
    sender: str
    reason: str
    actor_name: str
    template_id: int | None
    tags: str
    is_test: bool
    is_sensitive: bool
    has_attachment: bool
    driver_id: int | None = None
    connection_id: int | None = None


class IndexEntry(NamedTuple):
    """One entry; every part is words with spaces between."""

    id: int
    subject: str
    recipients: str
    sender: str
    error: str
    actor: str
    tags: str


def add(mails: Iterable[IndexedMessage]) -> None:
    """Enter `mails`; those that have an entry get a new one."""
    connection = _connection()
    entries = [build_entry(mail) for mail in mails]
    if not entries:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"INSERT INTO {TABLE} (id, words) SELECT id, words::tsvector FROM unnest(%s::bigint[], %s::text[])"  # noqa: S608
                " AS given(id, words) ON CONFLICT (id) DO UPDATE SET words = EXCLUDED.words",
                [
                    array_text(str, (entry.id for entry in entries)),
                    array_text(array_element, map(tsvector_text, entries)),
                ],
            )
        else:
            names = ", ".join(COLUMNS)
            marks = ", ".join(["%s"] * (len(COLUMNS) + 1))
            cursor.executemany(f"INSERT OR REPLACE INTO {TABLE} (rowid, {names}) VALUES ({marks})", entries)  # noqa: S608


def refresh(ids: Iterable[int]) -> None:
    """Make the entries of `ids` what their rows say now; called after the rows were changed."""
    for batch in _batched(ids):
        add(_load(batch))


def remove(ids: Iterable[int]) -> None:
    """Take the entries of `ids` out; called with the deletion of the rows."""
    key = "id" if _connection().vendor == "postgresql" else "rowid"
    for batch in _batched(ids):
        with _connection().cursor() as cursor:
            cursor.execute(f"DELETE FROM {TABLE} WHERE {key} IN ({', '.join(map(str, map(int, batch)))})")  # noqa: S608


def create(connection: BaseDatabaseWrapper) -> None:
    """Make the empty index. The words are cut already, so SQLite's plainest way of cutting is enough.

    Beginnings of two letters are indexed, too; `maillog.index.scan` makes do with them.
    """
    statements = [
        f"CREATE TABLE {TABLE} (id bigint PRIMARY KEY, words tsvector NOT NULL)",
        f"CREATE INDEX {TABLE}_words ON {TABLE} USING gin (words)",
    ]
    if connection.vendor == "sqlite":
        options = "tokenize = 'ascii', prefix = '2', columnsize = 0"
        statements = [f"CREATE VIRTUAL TABLE {TABLE} USING fts5({', '.join(COLUMNS)}, {options})"]
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def drop(connection: BaseDatabaseWrapper) -> None:
    """Remove the index."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")


def rebuild(tell: Callable[[int], object] = lambda _done: None) -> int:
    """Make the index anew from the rows, newest first, and return how many there were; `tell` hears how many are done.

    Batches of 5,000, each a transaction. Until it is done, searches find the newest mails only; new ones are entered.
    """
    connection = _connection()
    with transaction.atomic():
        drop(connection)
        create(connection)
        before = (Message.objects.order_by("-id").values_list("id", flat=True).first() or 0) + 1
    done = 0
    while ids := list(
        Message.objects.filter(id__lt=before).order_by("-id").values_list("id", flat=True)[:REBUILD_BATCH]
    ):
        with transaction.atomic():
            # Locked, so that no error that is written meanwhile is overwritten by the one that was read before.
            list(Message.objects.select_for_update().filter(id__gte=ids[-1], id__lt=before).values_list("id"))
            refresh(ids)
        before = ids[-1]
        done += len(ids)
        tell(done)
    return done


def clear_if_empty(**_signal: object) -> None:
    """Empty the index if there are no mails (after ``flush``)."""
    connection = _connection()
    if TABLE in connection.introspection.table_names() and not Message.objects.exists():
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {TABLE}")  # noqa: S608


def build_entry(mail: IndexedMessage) -> IndexEntry:
    """Return the entry of `mail`."""
    in_trouble = mail.status in PROBLEM_STATUSES
    tags = [EVERY_ENTRY]
    named = {"template": mail.template_id}
    if in_trouble:
        tags.append(str(mail.status))
        named |= {"driver": mail.driver_id, "connection": mail.connection_id}
    tags += [label_token(kind, pk) for kind, pk in named.items() if pk]
    flags = (("test", mail.is_test), ("sensitive", mail.is_sensitive), ("attachment", mail.has_attachment))
    tags += [name for name, is_set in flags if is_set]
    tags += [tag_token(tag) for tag in mail.tags.split()]
    return IndexEntry(
        mail.id,
        _token_text(mail.subject),
        _token_text(mail.to_text),
        _cached_token_text(mail.sender),
        _token_text(mail.reason) if in_trouble else "",
        _cached_token_text(mail.actor_name),
        " ".join(tags),
    )


def label_token(kind: str, label_id: int) -> str:
    """Return the word that stands for a template, a driver or a connection."""
    return f"{kind[0]}{label_id}"


def tag_token(tag: str) -> str:
    """Return the word that stands for a tag that a mail was given, whatever signs it has; case does not count."""
    return f"g{blake2s(tag.lower().encode('utf-8', 'replace'), digest_size=6).hexdigest()}"


def tsvector_text(entry: IndexEntry) -> str:
    """Return `entry` as PostgreSQL reads a tsvector; between two texts is a gap that no phrase can cross."""
    places: dict[str, list[str]] = {}
    place = 0
    for name, text in zip(COLUMNS, entry[1:], strict=True):
        mark, weight = PREFIXES.get(name, ""), WEIGHTS.get(name, "")
        place += 1
        for word in str(text).split():
            place += 1
            places.setdefault(mark + word, []).append(f"{min(place, MAX_POSITION)}{weight}")
    return " ".join(f"'{word}':{','.join(found)}" for word, found in places.items())


def _token_text(text: str) -> str:
    return " ".join(tokens(text[:MAX_TEXT_LENGTH]))


@lru_cache(maxsize=1024)
def _cached_token_text(text: str) -> str:
    return _token_text(text)


def _load(ids: Sequence[int]) -> list[IndexedMessage]:
    # In order: FTS5 writes what it has gathered to the disk whenever an id is lower than the one before.
    rows = Message.objects.filter(id__in=ids).order_by("id").annotate(sender_text=F("sender__text"))
    names = ["sender_text" if name == "sender" else name for name in IndexedMessage._fields]
    return [IndexedMessage(*row) for row in rows.values_list(*names)]


def _batched(ids: Iterable[int]) -> Iterable[list[int]]:
    remaining = iter(ids)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _connection() -> BaseDatabaseWrapper:
    return connections[router.db_for_write(Message)]
