"""Removes records from the file of the driver `log`, while other processes write to it.

What is kept is copied beside the file; the copy then takes its place. Writers hold a shared lock for each record, so
only the end that was written meanwhile is copied under the exclusive lock. Lines outside records are kept.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from mailadmin.drivers.recording import Head

HEAD = re.compile(rb"(?m)^=== (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z mail (\d{1,18}) (\S*)$")
END = re.compile(rb"(?m)^=== end of mail (\d+), (\d+) octets$")
BATCH = 500  # heads per question


def prune(path: Path, expired: Callable[[Collection[Head]], Collection[Head]]) -> int:
    """Remove the records of `expired(heads)` and return how many. Raises OSError.

    A file that does not exist, or is no regular file, has none.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return 0
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            known = list({head for head, _line in _lines(file, size) if head})
            doomed = {head for start in range(0, len(known), BATCH) for head in expired(known[start : start + BATCH])}
            return _rewrite(path, file, size, doomed) if doomed else 0
    except FileNotFoundError:
        return 0


def _rewrite(path: Path, file: IO[bytes], size: int, doomed: Collection[Head]) -> int:
    copy = path.with_name(f"{path.name}.{os.getpid()}.pruned")
    removed = 0
    try:
        with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as kept:
            file.seek(0)
            for head, line in _lines(file, size):
                if head not in doomed:
                    kept.write(line)
                elif HEAD.match(line):
                    removed += 1
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(size)
            shutil.copyfileobj(file, kept)
            kept.flush()
            if os.fstat(file.fileno()).st_ino != path.stat().st_ino:  # another process has pruned it meanwhile
                return 0
            copy.replace(path)
    finally:
        copy.unlink(missing_ok=True)
    return removed


def _lines(file: IO[bytes], size: int) -> Iterator[tuple[Head | None, bytes]]:
    """Yield each line of the first `size` octets with the head of its record, None outside records."""
    head, position = None, 0
    while position < size and (line := file.readline(size - position)):
        position += len(line)
        if found := HEAD.match(line):
            head = (int(found[2]), found[3].decode("utf-8", "replace"))
        yield head, line
        if END.match(line):
            head = None
