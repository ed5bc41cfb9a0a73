"""Concurrent processes on a filled log: writers and a worker, pruning and a sender."""

from __future__ import annotations

import statistics
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.drain.products import surroundings
from benchmarks.drain.scratch import stop
from benchmarks.log.measures import reached
from benchmarks.log.stores import Child
from config.startup.supervise import WORKER

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.log.measures import Run

WRITERS = 4
SECONDS = 60.0
IDLE_SECONDS = 10.0
PRUNED = 100_000
STALL = 100.0  # milliseconds
SENDER = [sys.executable, "-m", "benchmarks.log.sender"]
REST = 1.0  # seconds for a worker to start polling


def environment(run: Run, port: int, name: str) -> tuple[Path, dict[str, str]]:
    """Return a scratch folder and the environment of processes that send from the filled log."""
    folder = run.scratch.folder / f"{run.engine}_{name}"
    folder.mkdir()
    return folder, surroundings(folder, run.ours.url, port=port)


def writers(run: Run) -> None:
    """Four processes send single messages as fast as possible while a worker delivers them. SQLite only."""
    if run.engine != "sqlite":
        return
    run.ours.spoil()
    folder, around = environment(run, run.scratch.sink("--pipelining"), "writers")
    with ExitStack() as stack, (folder / "worker.log").open("w+") as said:
        children = [stack.enter_context(Child(run.scratch, SENDER, around)) for _ in range(WRITERS)]
        first = children[0].ask("newest")["id"]
        worker = run.scratch.process([sys.executable, *WORKER], around, errors=said)
        stack.callback(stop, worker)
        for number, child in enumerate(children):
            child.tell("send_for", seconds=SECONDS, number=number)
        start = time.perf_counter()
        found = [child.answer("send_for") for child in children]
        seconds = time.perf_counter() - start
        worked = children[0].ask("sent_since", pk=first)
        alive = worker.poll() is None
        stop(worker)
        said.seek(0)
        lines = said.read().splitlines()
    times = [each for one in found for each in one["times"]]
    locked = sum("locked" in line for line in lines)
    errors = sum(one["errors"] for one in found)
    for line in sorted({line for one in found for line in one["said"]} | {one for one in lines if "rror" in one})[:20]:
        print(line, file=sys.stderr)
    if not alive:
        run.wrong("writers", "the worker ended")
    more = {"writers": WRITERS, "seconds": round(seconds, 1)}
    run.tell("errors of the writers", errors, "errors", **more, **reached("errors", errors, 1))
    run.tell("locked, said by the worker", locked, "lines", **more, **reached("errors", locked, 1))
    run.tell(
        "writes", len(times) / seconds, "messages/s", **more, p50=middle(times), p99=late(times), longest=max(times)
    )
    run.tell(
        "sent by the worker concurrently",
        worked["sent"] / seconds,
        "messages/s",
        mails=worked["sent"],
        of=worked["all"],
    )


def prune(run: Run) -> None:
    """Prune 100,000 messages while another process sends, claims and settles messages one at a time."""
    run.ours.spoil()
    folder, around = environment(run, 25, "prune")
    with run.ours.child() as ours, Child(run.scratch, SENDER, around) as sender:
        ours.ask("keep_for", share=min(0.9, PRUNED / run.rows))
        before = ours.ask("left")["mails"]
        steady = str(folder / "idle")
        sender.tell("steadily", until=steady)
        time.sleep(IDLE_SECONDS)
        (folder / "idle").touch()
        idle = sender.answer("steadily")
        stalls(run, "nothing pruned", idle)

        sender.tell("steadily", until=str(folder / "pruned"))
        time.sleep(REST)
        try:
            done = ours.ask("prune")
        finally:
            (folder / "pruned").touch()
            busy = sender.answer("steadily")
        stalls(run, "while pruning", busy, aim=STALL)
        left = ours.ask("left")["mails"]
    sent = len(idle["times"]["send"]) + len(busy["times"]["send"])
    gone = before + sent - left
    if gone != done["rows"]:
        run.wrong("prune", f"{gone} messages are gone, {done['rows']} were reported")
    more = {"mails": done["rows"], "bodies": done["bodies"], "seconds": round(done["seconds"], 1)}
    run.tell("pruned", done["rows"] / done["seconds"], "messages/s", **more)


def stalls(run: Run, when: str, found: dict[str, Any], *, aim: float | None = None) -> None:
    """Report the longest times of sending, claiming and settling."""
    for name, times in found["times"].items():
        over = sum(each > STALL for each in times)
        more: dict[str, object] = {"p50": middle(times), "p99": late(times), "times": len(times), "over_100_ms": over}
        if aim:
            more |= reached("stall", max(times), aim)
        run.tell(f"longest {name}, {when}", max(times), "ms", **more)
    if found["errors"]:
        run.wrong(when, f"{found['errors']} errors: {found['said']}")


def middle(times: list[float]) -> float:
    return round(statistics.median(times), 2)


def late(times: list[float]) -> float:
    return round(statistics.quantiles(times, n=100)[98], 2)
