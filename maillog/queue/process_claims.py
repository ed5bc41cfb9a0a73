"""Which process a claim belongs to, and which of these processes are dead.

A claim begins with a token of its process. While the process lives it holds the lock of a file of that name, which the
kernel releases however the process ends. So on the same machine, or in containers that share the directory, a dead
process is recognised at once, and its messages need not wait for their leases to run out. A process id would not do: it
is given away again, and means nothing in another container. Where the directory cannot be written, or the process ran
elsewhere, nothing is known of it, and only its leases count.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import secrets
import threading
import uuid
from pathlib import Path

from django.conf import settings
from django.db import connections, router
from django.db.models import F
from django.utils import timezone

from maillog.models import Message, Status

TOKEN_LENGTH = 12  # hexadecimal digits at the beginning of a claim

logger = logging.getLogger(__name__)

_registering = threading.Lock()
_tokens: dict[int, str] = {}  # by process id: a forked child needs a token of its own


def new_claim() -> str:
    """Return a new claim of this process: 32 hexadecimal digits."""
    return process_token() + uuid.uuid4().hex[TOKEN_LENGTH:]


def process_token() -> str:
    """Return the token of this process, and lock its file if this is the first call."""
    process = os.getpid()
    with _registering:
        if process not in _tokens:
            _tokens[process] = secrets.token_hex(TOKEN_LENGTH // 2)
            _lock_file(_tokens[process])
        return _tokens[process]


def recover_dead() -> int:
    """Make the messages due again that dead processes left behind, and return their number.

    As when a lease runs out, they count as possible duplicates, and as a death of their worker.
    """
    folder = _folder()
    own, recovered = process_token(), 0
    try:
        files = sorted(folder.glob("*.lock")) if folder else []
    except OSError:
        return 0
    for file in files:
        if file.stem != own:  # opening and closing it would release our own lock
            recovered += _recover(file)
    return recovered


def _recover(file: Path) -> int:
    try:
        handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return 0  # another process has just removed it, or it is another user's
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return 0  # it lives
    else:
        # SQLite uses the partial index only if the query repeats its condition, "not sent".
        left = Message.objects.filter(status=Status.SENDING, claim__startswith=file.stem).exclude(status=Status.SENT)
        count = left.update(
            status=Status.QUEUED,
            next_attempt_at=timezone.now(),
            worker_deaths=F("worker_deaths") + 1,
            possibly_duplicate=True,
        )
        file.unlink(missing_ok=True)
        if count:
            logger.warning("A process has died with %d messages in hand; they are due again.", count)
        return count
    finally:
        os.close(handle)


def _folder() -> Path | None:
    """Return the directory of the processes that work on this database; None if none is configured."""
    parent = getattr(settings, "MAIL_PROCESS_DIR", None)
    if parent is None:
        return None
    database = connections[router.db_for_write(Message)].settings_dict
    name = "\0".join(str(database.get(key)) for key in ("HOST", "PORT", "NAME"))
    return Path(parent) / hashlib.sha256(name.encode()).hexdigest()[:16]


def _lock_file(token: str) -> None:
    """Create the file and lock it, before others can see it. The handle stays open until the process ends."""
    folder = _folder()
    if folder is None:
        return
    hidden = folder / f"{token}.new"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(folder / f"{token}.lock")
    except OSError as error:
        logger.info("Whether this process lives can only be told by its leases: %s", error)
        with contextlib.suppress(OSError):
            hidden.unlink(missing_ok=True)
