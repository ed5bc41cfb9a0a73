"""Measures processes and connections through /proc (Linux)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

ESTABLISHED = "01"  # include/net/tcp_states.h


class Highest:
    """A context that calls `look` repeatedly in a thread and keeps the maximum."""

    def __init__(self, look: Callable[[], float], every: float = 0.1) -> None:
        self.look, self.every = look, every
        self.value = 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self.ended.wait(self.every):
            self.value = max(self.value, self.look())

    def __enter__(self) -> Highest:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.ended.set()
        self.thread.join()


def connections_to(port: int) -> int:
    """Return the number of open TCP connections to 127.0.0.1:`port`."""
    wanted = f"0100007F:{port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(row[2] == wanted and row[3] == ESTABLISHED for row in rows)


def megabytes(process: int, what: str) -> float:
    """Return a line of /proc/<process>/status in MB: VmRSS, VmHWM (peak) or RssAnon; 0 if the process has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(lines[what].split()[0]) * 1024 / 1e6 if what in lines else 0.0
