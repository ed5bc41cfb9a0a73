"""Measurements on a filled log: pages compared with the peer's, plans, exports, and the cost of the search index."""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.drain import products
from benchmarks.drain.products import PEERS_PYTHON, Product, seconds
from benchmarks.log import asking, queries
from benchmarks.log.queries import Place
from benchmarks.log.stores import OURS, PEER, Child, Figures, Store

if TYPE_CHECKING:
    from benchmarks.drain.scratch import Scratch

MOST_SECONDS = 20.0  # per page; slow pages get fewer requests
PAIR_SECONDS = 6.0
TURNS = 4  # alternations between our requests and the peer's
ROUNDS = 3
OVERHEAD = 0.25
EXPORT_SECONDS, EXPORT_MB = 30.0, 200.0  # for a million messages; peak memory


class Run:
    """The state shared by all parts: databases, figures, problems."""

    def __init__(
        self, scratch: Scratch, figures: Figures, engine: str, *, bodies: bool, peer: bool, requests: int
    ) -> None:
        self.scratch, self.figures, self.engine, self.requests = scratch, figures, engine, requests
        self.ours = Store(scratch, figures, OURS, engine, bodies=bodies)
        self.peer = Store(scratch, figures, PEER, engine, bodies=bodies) if peer and PEERS_PYTHON.exists() else None
        self.problems: list[str] = []

    @property
    def rows(self) -> int:
        return self.figures.rows

    def tell(self, figure: str, value: float, unit: str, **more: object) -> None:
        self.figures.tell(figure, value, unit, **more)

    def wrong(self, what: str, error: object) -> None:
        """Record a problem and continue."""
        self.problems.append(f"{self.engine}, {self.figures.part}: {what}: {error}")
        print(self.problems[-1], file=sys.stderr, flush=True)


def reached(name: str, value: float, aim: float, *, below: bool = True) -> dict[str, object]:
    """Return the target of a figure and whether it was reached, to be printed with it."""
    return {f"{name}_target": aim, f"{name}_pass": value < aim if below else value >= aim}


def fill(run: Run, *, peer: bool) -> None:
    """Fill databases that are empty; the peer's only if it is needed."""
    for store in (run.ours, run.peer if peer else None):
        if store is None:
            continue
        found = store.fill(like=run.ours if store is run.peer else None)
        if found:
            more = {name: round(value, 1) for name, value in found.items() if name != "seconds"}
            run.tell(f"filled, {store.who}", run.rows / found["seconds"], "messages/s", bodies=store.bodies, **more)


def pages(run: Run) -> None:
    """Time every page, alternating with the peer's."""
    with ExitStack() as stack:
        ours = stack.enter_context(run.ours.child())
        place = Place(**ours.ask("place"))
        other = stack.enter_context(run.peer.child()) if run.peer else None
        for look in queries.looks(place):
            try:
                page(run, ours, other, look)
            except RuntimeError as error:
                run.wrong(look.name, error)
        for name, query in queries.pairs(place).items():
            address = queries.asked(query)
            look = queries.Look(f"pair: {name}", address, queries.PAIR, may_be_empty=True)
            try:
                page(run, ours, None, look, most_seconds=PAIR_SECONDS)
            except RuntimeError as error:
                run.wrong(look.name, error)
        numbers(run, ours, other)


def page(run: Run, ours: Child, other: Child | None, look: queries.Look, most_seconds: float = MOST_SECONDS) -> None:
    """Report the figures of a page."""
    beside = other if look.peer is not None else None
    asks: list[tuple[Child, dict[str, Any]]] = [(ours, {"address": look.address, "may_be_empty": look.may_be_empty})]
    if beside:
        asks.append((beside, {"parameters": look.peer}))
    found, *of_peer = in_turn(asks, run.requests, most_seconds)
    median, p95 = middle(found["times"]), late(found["times"])
    more: dict[str, object] = {
        "p95": round(p95, 1),
        "processor": round(middle(found["processor"]), 1),
        "database": round(found["database"], 1),
        "queries": found["queries"],
        "page": look.address,
        "kind": look.kind,
        **reached("p95", p95, queries.target(look.kind, run.engine, run.rows, queries.TARGETS)),
    }
    for theirs in of_peer:
        ratio = middle(theirs["times"]) / median
        more |= {
            "peer": round(middle(theirs["times"]), 1),
            "peer_p95": round(late(theirs["times"]), 1),
            "peer_processor": round(middle(theirs["processor"]), 1),
            "peer_database": round(theirs["database"], 1),
            "peer_requests": len(theirs["times"]),
            "ratio": round(ratio, 1),
        }
        if look.ratio:
            aim = queries.target(look.ratio, run.engine, run.rows, queries.RATIOS)
            more |= reached("ratio", ratio, aim, below=False)
    run.tell(look.name, median, "ms", requests=len(found["times"]), **more)


def in_turn(asks: list[tuple[Child, dict[str, Any]]], requests: int, most_seconds: float) -> list[asking.Answer]:
    """Return the times of each page. Pages alternate, so that changes in the machine's speed affect all of them.

    A request that takes seconds has only one turn.
    """
    turns = TURNS if len(asks) > 1 else 1
    found: list[list[asking.Answer]] = [[] for _ in asks]
    for _ in range(turns):
        for answers, (child, what) in zip(found, asks, strict=True):
            if not answers or middle(answers[0]["times"]) < asking.LONG * 1000:
                share = {"requests": -(-requests // turns), "most_seconds": most_seconds / turns}
                answers.append(child.ask("page", **what, **share))
    return [
        {
            "times": [time for answer in answers for time in answer["times"]],
            "processor": [time for answer in answers for time in answer["processor"]],
            "database": middle([answer["database"] for answer in answers]),
            "queries": answers[0]["queries"],
        }
        for answers in found
    ]


def numbers(run: Run, ours: Child, other: Child | None) -> None:
    """Report the cost of the counts above the list, and of the peer's exact count."""
    found = ours.ask("counts", requests=run.requests)
    more: dict[str, object] = {"p95": round(late(found["times"]), 1)}
    if other:
        theirs = other.ask("counts", requests=run.requests)
        peer = middle(theirs["times"])
        more |= {"peer": round(peer, 1), "ratio": round(peer / middle(found["times"]), 1)}
    run.tell("counts of every state, without a page", middle(found["times"]), "ms", **more)


def middle(times: list[float]) -> float:
    return statistics.median(times)


def late(times: list[float]) -> float:
    """Return the 95th percentile; the maximum if there are few times."""
    return statistics.quantiles(times, n=20)[18] if len(times) >= 20 else max(times)


def plans(run: Run) -> None:
    """Report the plans of the ten queries, and every query of any page that reads a whole table."""
    with run.ours.child() as ours:
        place = Place(**ours.ask("place"))
        looks = queries.looks(place)
        pairs = queries.pairs(place)
        found = {look.name: ours.ask("plans", address=look.address)["plans"] for look in looks}
        found |= {f"pair: {name}": ours.ask("plans", address=queries.asked(pairs[name]))["plans"] for name in pairs}
    often = Counter(plan for each in found.values() for plan in {one["plan"] for one in each})
    everywhere = [plan for plan, count in often.items() if count > len(found) / 2]
    run.tell("on every page", 0, "scans", scans=[], plans=everywhere)
    ten = {look.name for look in looks if look.ten}
    for name, statements in found.items():
        whole = [line for each in statements for line in each["scans"]]
        shown = (
            {"plans": [each["plan"] for each in statements if each["plan"] not in everywhere]} if name in ten else {}
        )
        run.tell(name, len(whole), "scans", scans=whole, **reached("scans", len(whole), 1), **shown)


def export(run: Run) -> None:
    """Export all messages through the page, each time in a new process."""
    for form in ("csv", "jsonl"):
        with run.ours.child() as ours:
            found = ours.ask("export", form=form)
        expected = run.rows + (form == "csv")
        if found["lines"] != expected:
            run.wrong(form, f"{found['lines']} lines instead of {expected}")
        aim = EXPORT_SECONDS * run.rows / 1_000_000
        run.tell(
            f"export, {form}",
            found["seconds"],
            "s",
            rows_a_second=round(run.rows / found["seconds"]),
            first_ms=round(found["first"], 1),
            octets=found["octets"],
            anonymous_mb=round(found["anonymous_mb"], 1),
            resident_mb=round(found["resident_mb"], 1),
            resident_before_mb=round(found["before_mb"], 1),
            **reached("seconds", found["seconds"], aim),
            **reached("memory", found["anonymous_mb"], EXPORT_MB),
        )


def overhead(run: Run) -> None:
    """Queue and drain with and without the search index, alternating; the best of three counts."""
    count = min(20_000, max(1_000, run.rows // 50))
    product = Product(run.scratch, products.OURS, run.engine, port=run.scratch.sink("--pipelining"), purpose="overhead")
    found: dict[tuple[str, int], float] = {}  # minimum seconds
    for _ in range(ROUNDS):
        for index in (1, 0):
            took = {
                "queue": seconds([product.step("enqueue_many", count, index=index)]),
                "drain": seconds([product.step("drain", 1, index=index)]),
            }
            took["queue and drain"] = took["queue"] + took["drain"]
            for name, each in took.items():
                found[name, index] = min(each, found.get((name, index), each))
    for name in ("queue", "drain", "queue and drain"):
        share = found[name, 1] / found[name, 0] - 1
        aim = {} if name == "queue" else reached("overhead", share, OVERHEAD)
        bare = round(count / found[name, 0])
        run.tell(name, count / found[name, 1], "messages/s", mails=count, bare=bare, overhead=round(share, 3), **aim)
