"""An answer on its way from the thread that makes it to the event loop that sends it, however slow the client is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import threading
from collections import deque
from typing import IO

from config.webserver.limits import PIECE


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class Answer:
    """Status, headers and body. The thread never waits for the client: what is too much for memory goes to a file."""

    def __init__(self, loop: asyncio.AbstractEventLoop, in_memory: int) -> None:
        self.loop = loop
        self.in_memory = in_memory
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_abandoned = False
        self.is_broken = False  # it ended too early
        self._news = asyncio.Event()
        self._lock = threading.Lock()
        self._chunks: deque[bytes] = deque()
        self._size = 0  # octets in `_chunks`
        self._file: IO[bytes] | None = None
        self._written = self._read = 0  # octets in `_file`
        self._is_finished = False

    # ---------------------------------------------------------------- the thread's side

    def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status, self.headers = status, headers

    def write(self, chunk: bytes) -> None:
        """Add to the body. Raises ClientGone, and OSError if the disk is full."""
        if self.is_abandoned:
            raise ClientGone
        with self._lock:
            if self._file is None and self._size + len(chunk) <= self.in_memory:
                self._chunks.append(chunk)
                self._size += len(chunk)
                is_news = self._size >= PIECE
            else:
                self._file = self._file or tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (closed by `close`)
                view = memoryview(chunk)
                while view:
                    done = os.pwrite(self._file.fileno(), view, self._written)
                    self._written += done
                    view = view[done:]
                is_news = True
        if is_news:
            self._tell()

    def finish(self) -> None:
        """Say that nothing more follows; without a status nothing came."""
        self._is_finished = True
        self._tell()

    def _tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self._news.set)

    # ---------------------------------------------------------------- the loop's side

    async def read(self) -> tuple[bytes, bool]:
        """Return the next octets of the body, at most a PIECE, and whether more may follow."""
        while True:
            self._news.clear()
            is_finished = self._is_finished  # before looking: what was written before it is seen
            piece = self._take()
            if piece or is_finished:
                return piece, not (is_finished and self._is_empty())
            await self._news.wait()

    def close(self) -> None:
        """Drop what is left, and end the thread's work at its next octets."""
        self.is_abandoned = True
        with self._lock:
            self._chunks.clear()
            if self._file is not None:
                self._file.close()

    def _is_empty(self) -> bool:
        return not self._chunks and self._read == self._written

    def _take(self) -> bytes:
        with self._lock:
            taken: list[bytes] = []
            room = PIECE
            while self._chunks and room:
                chunk = self._chunks.popleft()
                if len(chunk) > room:
                    self._chunks.appendleft(chunk[room:])
                    chunk = chunk[:room]
                taken.append(chunk)
                room -= len(chunk)
                self._size -= len(chunk)
            if not taken and self._file is not None and not self.is_abandoned:
                taken.append(os.pread(self._file.fileno(), PIECE, self._read))
                self._read += len(taken[0])
        return taken[0] if len(taken) == 1 else b"".join(taken)
