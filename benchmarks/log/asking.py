"""A measured process, ours or the peer's: answers each line of JSON with another until its input ends.

Imports only Django, so that the same code times our pages and the peer's.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]
WARM_UP = 3
FEWEST = 3  # requests, if each takes seconds
LONG = 1.0  # requests that take longer (seconds) are not repeated to warm up
SHARES = 5  # requests whose time in the database is measured


def serve(steps: dict[str, Callable[..., Answer]]) -> None:
    """Run the commands. An error is sent as the answer, and the next command is run."""
    for line in sys.stdin:
        name, values = json.loads(line)
        try:
            answer = steps[name](**values)
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def page(get: Callable[[], object], *, requests: int, most_seconds: float) -> Answer:
    """Return milliseconds per request, CPU milliseconds, and those spent waiting for the database."""
    slow = False
    for _ in range(WARM_UP):
        if not slow:
            slow = timed(get) > LONG * 1000
    # As in our web server (`config.wsgi`). The peer gets the same, although by default it would not.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    times: list[float] = []
    processor: list[float] = []
    limit = time.perf_counter() + most_seconds
    while len(times) < requests and (len(times) < FEWEST or time.perf_counter() < limit):
        before = time.process_time()
        times.append(timed(get))
        processor.append((time.process_time() - before) * 1000)
    shares = sorted(in_database(get) for _ in range(1 if slow else SHARES))
    spent, queries = shares[len(shares) // 2]
    return {"times": times, "processor": processor, "database": spent, "queries": queries}


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def in_database(work: Callable[[], object]) -> tuple[float, int]:
    """Return the milliseconds that `work` waited for the database, and its number of queries."""
    from django.db import connection

    spent, queries = 0.0, 0

    def noted(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        nonlocal spent, queries
        start = time.perf_counter()
        try:
            return execute(sql, *arguments)
        finally:
            spent += (time.perf_counter() - start) * 1000
            queries += 1

    with connection.execute_wrapper(noted):
        work()
    return spent, queries
