"""The inside of a measured process, ours or the peer's: answers one line of JSON with another until its input ends.

Knows Django alone, so that ours and the peer's pages are timed by the same lines.
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
FEWEST = 3  # requests where each takes seconds
LONG = 1.0  # seconds of a request that is not asked for again just to warm up
SHARES = 5  # requests of which the database's share is measured


def serve(steps: dict[str, Callable[..., Answer]]) -> None:
    """Do what is asked; what goes wrong is the answer, and what is asked next is done all the same."""
    for line in sys.stdin:
        name, values = json.loads(line)
        try:
            answer = steps[name](**values)
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def page(get: Callable[[], object], *, requests: int, most_seconds: float) -> Answer:
    """Return the milliseconds of each request, those of the processor, and what one waited for the database."""
    slow = False
    for _ in range(WARM_UP):
        if not slow:
            slow = timed(get) > LONG * 1000
    # As our web server's process does (`config.wsgi`); the peer is given the same, although nothing does it there.
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
    """Return the milliseconds that `work` waited for the database, and the number of its queries."""
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
