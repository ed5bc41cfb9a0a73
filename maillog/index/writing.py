"""Writes the search index of the log: one entry per message, in a table that Django does not manage.

SQLite has an FTS5 table, PostgreSQL a `tsvector` under a GIN index. Both store the tokens of `maillog.index.tokens`.
Every write happens here, in the transaction of the rows: `NewEntries` with new messages, `refresh` where the error of a
message changed, `remove` with deleted messages. A message that is sent without a problem costs nothing after it was
queued: what its entry does not contain (queued, sending, held and sent; driver and connection) is read from the row.

On SQLite the entries keep their text. Without it ("external content"), removing an entry would take its exact former
tokens, and one mistake would corrupt the index.
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
from maillog.models import FAILURES, Message, Recipient, Status
from maillog.sql.batches import array_element, array_text, id_list
from maillog.text import server_reply_line

TABLE = "maillog_index"
TEXT_COLUMNS = ("subject", "recipients", "sender", "error")  # searched by words without an operator
COLUMNS = (*TEXT_COLUMNS, "actor", "tags")
# The entry of a message in one of these contains the status, the reason, the driver and the connection; it has to be
# rewritten for the reason anyway. Not "held": its reason is the same for every message of a connection.
PROBLEM_STATUSES = frozenset({*FAILURES, Status.UNCERTAIN, Status.DEFERRED, Status.SKIPPED, Status.CANCELLED})
EVERY_ENTRY = "all"  # a tag of every entry: a search for only negated terms needs something to subtract from
WEIGHTS = dict(zip(TEXT_COLUMNS, "ABCD", strict=True))
PREFIXES = {
    "actor": "@",
    "tags": "=",
}  # of their lexemes on PostgreSQL, so that words without an operator do not match them
MAX_TEXT_LENGTH = 50_000  # characters of a text: a few thousand recipients
MAX_POSITION = 16_383  # of a lexeme in a tsvector
GIVEN_ENTRIES = "unnest(%s::bigint[], %s::text[]) AS given(id, tokens)"
BATCH = 500
REBUILD_BATCH = 5_000


class IndexedMessage(NamedTuple):
    """What an entry is built from: columns of the message and the address of its sender.

    `reason` is followed by the replies about recipients that have not got the message.
    """

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
    """One entry; every text is tokens separated by spaces."""

    id: int
    subject: str
    recipients: str
    sender: str
    error: str
    actor: str
    tags: str


class NewEntries:
    """The entries of new messages, for `insert_with_dependents`; the id of each is its position among them, from 0."""

    def __init__(self, mails: Sequence[IndexedMessage]) -> None:
        self.mails = mails

    def statement(self, _alias: str) -> tuple[str, list[str]]:
        source = f"{GIVEN_ENTRIES} JOIN new ON new.position = given.id"
        return _insert_statement("new.id", source), _entry_arrays([build_entry(mail) for mail in self.mails])

    def insert(self, ids: Sequence[int]) -> None:
        add(mail._replace(id=ids[mail.id]) for mail in self.mails)


def add(mails: Iterable[IndexedMessage]) -> None:
    """Write the entries of `mails`, replacing existing ones."""
    connection = _connection()
    entries = [build_entry(mail) for mail in mails]
    if not entries:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_insert_statement("given.id", GIVEN_ENTRIES), _entry_arrays(entries))
        else:
            names = ", ".join(COLUMNS)
            marks = ", ".join(["%s"] * (len(COLUMNS) + 1))
            cursor.executemany(f"INSERT OR REPLACE INTO {TABLE} (rowid, {names}) VALUES ({marks})", entries)  # noqa: S608


def _insert_statement(key: str, source: str) -> str:
    """Return the statement for PostgreSQL that writes the entries of `source` under the ids `key`."""
    return (
        f"INSERT INTO {TABLE} (id, tokens) SELECT {key}, given.tokens::tsvector FROM {source}"  # noqa: S608
        " ON CONFLICT (id) DO UPDATE SET tokens = EXCLUDED.tokens"
    )


def _entry_arrays(entries: Sequence[IndexEntry]) -> list[str]:
    """Return the parameters of `GIVEN_ENTRIES`."""
    return [array_text(str, (entry.id for entry in entries)), array_text(array_element, map(tsvector_text, entries))]


def refresh(ids: Iterable[int]) -> None:
    """Rewrite the entries of `ids` from their rows; to be called after the rows were changed."""
    for batch in _batched(ids):
        add(_load(batch))


def remove(ids: Iterable[int]) -> None:
    """Delete the entries of `ids`; to be called with the deletion of the rows."""
    key = "id" if _connection().vendor == "postgresql" else "rowid"
    for batch in _batched(ids):
        with _connection().cursor() as cursor:
            cursor.execute(f"DELETE FROM {TABLE} WHERE {key} IN ({', '.join(map(str, map(int, batch)))})")  # noqa: S608


def create(connection: BaseDatabaseWrapper) -> None:
    """Create the empty index. Text comes as tokens, so SQLite's simplest tokenizer is enough.

    FTS5 also indexes prefixes of two letters; see `IndexTerm.indexed_prefix`.
    """
    statements = [
        f"CREATE TABLE {TABLE} (id bigint PRIMARY KEY, tokens tsvector NOT NULL)",
        f"CREATE INDEX {TABLE}_tokens ON {TABLE} USING gin (tokens)",
    ]
    if connection.vendor == "sqlite":
        options = "tokenize = 'ascii', prefix = '2', columnsize = 0"
        statements = [f"CREATE VIRTUAL TABLE {TABLE} USING fts5({', '.join(COLUMNS)}, {options})"]
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def drop(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")


def rebuild(progress: Callable[[int], object] = lambda _done: None) -> int:
    """Rebuild the index from the rows, newest first, and return their number; `progress` gets the number so far.

    Works in batches of 5,000, each a transaction. Until it is done, searches find the newest messages only. New
    messages get their entries meanwhile.
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
            # Locked, so that an error recorded meanwhile is not overwritten by the one read before.
            list(Message.objects.select_for_update().filter(id__gte=ids[-1], id__lt=before).values_list("id"))
            refresh(ids)
        before = ids[-1]
        done += len(ids)
        progress(done)
    return done


def clear_if_empty(**_signal: object) -> None:
    """Empty the index if there are no messages, as after ``flush``."""
    connection = _connection()
    if TABLE in connection.introspection.table_names() and not Message.objects.exists():
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {TABLE}")  # noqa: S608


def build_entry(mail: IndexedMessage) -> IndexEntry:
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
    """Return the token of a template, a driver or a connection."""
    return f"{kind[0]}{label_id}"


def tag_token(tag: str) -> str:
    """Return the token of a tag of a message, which may contain any characters; case is ignored."""
    return f"g{blake2s(tag.lower().encode('utf-8', 'replace'), digest_size=6).hexdigest()}"


def tsvector_text(entry: IndexEntry) -> str:
    """Return `entry` as the text of a tsvector, with a gap between columns so that no phrase spans two of them."""
    positions: dict[str, list[str]] = {}
    position = 0
    for name, text in zip(COLUMNS, entry[1:], strict=True):
        prefix, weight = PREFIXES.get(name, ""), WEIGHTS.get(name, "")
        position += 1
        for token in str(text).split():
            position += 1
            positions.setdefault(prefix + token, []).append(f"{min(position, MAX_POSITION)}{weight}")
    return " ".join(f"'{lexeme}':{','.join(found)}" for lexeme, found in positions.items())


def _token_text(text: str) -> str:
    return " ".join(tokens(text[:MAX_TEXT_LENGTH]))


@lru_cache(maxsize=1024)
def _cached_token_text(text: str) -> str:
    return _token_text(text)


def _load(ids: Sequence[int]) -> list[IndexedMessage]:
    # In order: FTS5 flushes its buffer to disk whenever an id is lower than the one before.
    rows = Message.objects.filter(id__in=ids).order_by("id").annotate(sender_text=F("sender__text"))
    names = ["sender_text" if name == "sender" else name for name in IndexedMessage._fields]
    mails = [IndexedMessage(*row) for row in rows.values_list(*names)]
    replies = _replies([mail.id for mail in mails if mail.status in PROBLEM_STATUSES and " " in mail.to_text])
    return [
        mail._replace(reason=" ".join(dict.fromkeys([mail.reason, *replies[mail.id]]))) if mail.id in replies else mail
        for mail in mails
    ]


def _replies(ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the replies about the recipients of these messages that have not got them; no query without messages."""
    found: dict[int, list[str]] = {}
    if ids:
        missed = Recipient.objects.filter(message_id__in=id_list(ids)).exclude(outcome=Recipient.Outcome.ACCEPTED)
        rows = missed.exclude(reply="").order_by("id").values_list("message_id", "code", "enhanced_code", "reply")
        for message_id, code, enhanced_code, reply in rows:
            found.setdefault(message_id, []).append(server_reply_line(code, enhanced_code, reply))
    return found


def _batched(ids: Iterable[int]) -> Iterable[list[int]]:
    remaining = iter(ids)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _connection() -> BaseDatabaseWrapper:
    return connections[router.db_for_write(Message)]
