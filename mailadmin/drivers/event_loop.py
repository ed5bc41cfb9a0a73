"""One asyncio loop for a process, in a thread of its own.

Delivery is asynchronous, its callers (a web request, the worker, a command) are not, and some of them may already be
inside a running loop; so the coroutine runs elsewhere and the caller waits. No database is touched in that thread.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

lock = threading.Lock()
loops: dict[int, asyncio.AbstractEventLoop] = {}  # by process id: a forked child needs a loop of its own


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` in this process's loop and return what it returns, or raise what it raises."""
    return asyncio.run_coroutine_threadsafe(coroutine, process_loop()).result()


def process_loop() -> asyncio.AbstractEventLoop:
    """Return the running loop of this process, starting it at the first call."""
    process = os.getpid()
    with lock:
        if process not in loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="mail delivery", daemon=True).start()
            loops[process] = loop
        return loops[process]
