"""The driver that writes messages to a file instead of sending them, and the reader of that file's end.

Each message is one record, written by a single `os.write` to a file opened with O_APPEND, so that records of several
processes do not interleave::

    === 2026-01-31T12:00:00.000000Z mail 17 <id@example.org>
    MAIL FROM: shop@example.org
    RCPT TO: ann@example.org

    (the MIME text; lines that look like a separator get a ">" in front)
    === end of mail 17, 1234 octets

The number of octets counts from the first separator to the beginning of the last, so that a record longer than what is
read of the file's end can still be found. This module never reads more than that end.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import stat
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.drivers import log_pruning
from mailadmin.drivers.base import error_result, uniform_result
from mailadmin.drivers.log_pruning import END, HEAD
from mailadmin.drivers.recording import RecordedMessage, RecordingDriver
from mailadmin.drivers.registry import register_driver
from mailadmin.drivers.sanitizing import sanitize
from mailadmin.errors import DeliveryError, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from mailadmin.drivers.base import Envelope, Result
    from mailadmin.drivers.recording import Head

TAIL = 256 * 1024  # octets of the file's end that are read
SHOWN = 64 * 1024  # octets shown of a record that is longer than the tail

_SEPARATOR_LIKE = re.compile(rb"(?m)^(>*=== )")
_QUOTED_SEPARATOR = re.compile(r"(?m)^>(>*=== )")
# All C0 but tab and line feed, and DEL: a message must not control the terminal in which the file is read.
_CONTROLS = bytes(0x3F if (c < 0x20 and c not in b"\t\n") or c == 0x7F else c for c in range(256))


@register_driver
class LogDriver(RecordingDriver):
    """Writes every message to the file ``MAIL_LOG_FILE``."""

    key = "log"
    label = _("Log")
    explanation = _("Every message is written to a file on the server; nobody receives anything.")
    undelivered_notice = _("Mail is not delivered: the driver “log” writes it to a file.")
    order = 80
    has_events = True

    async def record(self, envelope: Envelope) -> Result:
        """Append the message to the file: outcome `logged`, or `deferred` if the file cannot be written."""
        return await asyncio.to_thread(_write, Path(settings.MAIL.log_file), envelope)

    def recorded(self, count: int) -> list[RecordedMessage]:
        """Return the last messages of the file."""
        return read_tail(Path(settings.MAIL.log_file), count)

    def prune(self, expired: Callable[[Collection[Head]], Collection[Head]]) -> int:
        """Remove the records of `expired` messages from the file."""
        return log_pruning.prune(Path(settings.MAIL.log_file), expired)


def _write(path: Path, envelope: Envelope) -> Result:
    started_at, started = datetime.now(UTC), monotonic()
    try:
        _append(path, _record(envelope, started_at))
    except OSError as cause:
        text = gettext("The mail log file %(path)s cannot be written: %(why)s.") % {
            "path": path,
            "why": sanitize(cause.strerror or type(cause).__name__),
        }
        error = DeliveryError(text, permanent=False, phase=Phase.DATA)
        error.__cause__ = cause
        result = error_result(envelope, error)
    else:
        reply = gettext("Written to %s.") % path
        result = uniform_result(envelope, outcome="logged", recipient_outcome="skipped", reply=reply)
    return replace(result, started_at=started_at, duration_ms=round((monotonic() - started) * 1000))


def _record(envelope: Envelope, now: datetime) -> bytes:
    text = envelope.content.replace(b"\r\n", b"\n")
    if envelope.is_sensitive:
        head, _blank, _body = text.partition(b"\n\n")
        text = head + b"\n\n(The body is left out: this message is marked as sensitive.)"
    text = _SEPARATOR_LIKE.sub(rb">\1", text.translate(_CONTROLS)).rstrip(b"\n")
    people = [f"MAIL FROM: {envelope.sender}", *(f"RCPT TO: {address}" for address in envelope.recipients)]
    lines = [f"=== {now:%Y-%m-%dT%H:%M:%S.%f}Z mail {envelope.id} {envelope.message_id}", *people]
    shown = [line.replace("\n", "?").encode("utf-8", "replace").translate(_CONTROLS) for line in lines]
    record = b"\n".join([*shown, b"", text, b""])
    # It begins with a line end of its own: a record before it may have been cut short by a full disk.
    return b"\n%b=== end of mail %d, %d octets\n" % (record, envelope.id, len(record))


def _append(path: Path, record: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _opened(path)
    try:
        while record:  # one write; only a disk that is nearly full takes less, and the next one then says so
            record = record[os.write(handle, record) :]
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    """Open `path` for appending. A regular file is locked, so that pruning cannot replace it until it is closed."""
    while True:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return handle
            fcntl.flock(handle, fcntl.LOCK_SH)
            if os.fstat(handle).st_nlink:  # else it was replaced before it was locked
                return handle
        except OSError:
            os.close(handle)
            raise
        os.close(handle)


def read_tail(path: Path, count: int) -> list[RecordedMessage]:
    """Return the last `count` messages of the file, newest first, as far as its last 256 kB hold them.

    A file that does not exist (yet), and a terminal or pipe, has none. Raises OSError if it cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return []
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - TAIL)
            file.seek(start)
            tail = file.read(TAIL)
            heads = list(HEAD.finditer(tail))
            if start and (first := _cut_off(tail[: heads[0].start()] if heads else tail, start)) is not None:
                file.seek(first)
                older = file.read(SHOWN)
            else:
                older = b""
    except FileNotFoundError:
        return []
    starts = [head.start() for head in heads]
    records = [tail[start:end] for start, end in pairwise([*starts, len(tail)])]
    entries = [_entry(record) for record in reversed(records[-count:] if count > 0 else [])]
    if len(entries) < count and HEAD.match(older):
        entries.append(_entry(older))
    return entries


def _cut_off(tail: bytes, start: int) -> int | None:
    """Return where the record begins that ends in `tail`, which lies at `start` in the file; None if there is none."""
    end = END.search(tail)
    position = start + end.start() - int(end[2]) if end else -1
    return position if position >= 0 else None


def _entry(record: bytes) -> RecordedMessage:
    head = HEAD.match(record)
    if head is None:
        message = "a record begins with its separator"
        raise ValueError(message)
    end = END.search(record)
    shown = record[head.end() + 1 : end.start() if end else None].decode("utf-8", "replace")
    envelope, _blank, text = shown.partition("\n\n")
    sender, recipients = "", []
    for line in envelope.split("\n"):
        label, _colon, value = line.partition(": ")
        if label == "MAIL FROM":
            sender = value
        elif label == "RCPT TO":
            recipients.append(value)
    return RecordedMessage(
        id=int(head[2]),
        recorded_at=datetime.strptime(head[1].decode(), "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=UTC),
        message_id=head[3].decode("utf-8", "replace"),
        sender=sender,
        recipients=tuple(recipients),
        text=_QUOTED_SEPARATOR.sub(r"\1", text).rstrip("\n"),
        is_cut=end is None,
    )
