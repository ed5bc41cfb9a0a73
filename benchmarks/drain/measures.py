"""The measurements, and how figures are computed from the steps. Times exclude starting Python."""

from __future__ import annotations

import smtplib
import statistics
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.drain.products import MAILER, OURS, POST_OFFICE, Product, machine, processor, seconds
from benchmarks.drain.watching import Highest, connections_to, megabytes
from benchmarks.figures import report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.drain.scratch import Scratch

Setting = dict[str, int]

ONE_BY_ONE = 500  # messages enqueued one per call
IDLE = 40  # messages sent on an idle system
REST = 3.0  # seconds after which a worker's memory counts as "after"
DISTANCE_MS = 20  # of the distant server, one way
SLACK = 1.5  # if a round trip takes longer than this multiple of the distance, the figure is skipped
# post_office's batch size and threads per process. Whether this or the default of its script is better depends on the
# database and on other work on the machine, so it drains with both.
SECOND: Setting = {"batch": 4000, "threads": 10}
NONE: Setting = {}
FAR_MAILS = 2_000  # at most; the distant server is slow for all products
FOURTH = {MAILER: 4}  # the slowest gets a quarter of the messages; its rate does not change over time
RATIOS = {POST_OFFICE: "ratio_to_post_office", MAILER: "ratio_to_django_mailer"}


class Figure:
    """One figure of several products. The peers' values are printed first, then ours with its ratios to them.

    A ratio is our value divided by the peer's: above 1 is better for a rate, below 1 for a time. If a peer has several
    values, its best one so far counts.
    """

    def __init__(self, name: str, unit: str, *, peers: Mapping[str, float] | None = None, **more: object) -> None:
        self.name, self.unit, self.more = name, unit, more
        self.peers = dict(peers or {})

    def tell(self, product: str, value: float, **more: object) -> None:
        if product == OURS:
            more = {**more, **{RATIOS[peer]: round(value / other, 3) for peer, other in self.peers.items()}}
        else:
            better = min if self.unit == "ms" else max
            self.peers[product] = better(value, self.peers.get(product, value))
        name = self.name if product == OURS else f"{self.name} (peer)"
        report("drain", name, value, self.unit, product=product, **self.more, **more)


def beside_peers(scratch: Scratch, kind: str, port: int, *, mails: int, peers: Sequence[str], rounds: int = 1) -> None:
    """Enqueue one by one and in bulk, and drain with one worker and with two. Each round adds a value per figure."""
    products = [Product(scratch, name, kind, port=port) for name in (*peers, OURS)]
    enqueued_one_by_one(products, kind)
    bulk = Figure("enqueue in bulk", "messages/s", database=kind)
    one = Figure("drain, one worker", "messages/s", database=kind)
    two = Figure("drain, two workers", "messages/s", database=kind)
    for _ in range(rounds):
        for product in products:
            drained_by_one(product, bulk, one, mails // FOURTH.get(product.name, 1))
        for product in products:
            if product.name == MAILER:  # it sends one message at a time
                continue
            for setting in (NONE, *others(product)):
                product.step("enqueue_many", mails)
                drained(product, two, mails, processes=2, setting=setting)
    # The peers never pipeline, so their figures would be the same.
    plain = Figure("drain, one worker, server without PIPELINING", "messages/s", database=kind, peers=one.peers)
    reached(Product(scratch, OURS, kind, port=scratch.sink(), purpose="plain"), plain, mails)


def drained_by_one(product: Product, bulk: Figure, drain: Figure, mails: int) -> None:
    """Enqueue in bulk and drain with one worker, with every setting of the product."""
    # All render when enqueueing; post_office can also store template and values, and render on delivery.
    ways = {"enqueue_many": "when queued"}
    if product.name == POST_OFFICE:
        ways["enqueue_many_unrendered"] = "on delivery"
    for way, rendered in ways.items():
        result = product.step(way, mails)
        cpu = processor([result], mails)
        bulk.tell(product.name, mails / seconds([result]), mails=mails, cpu_us=cpu, rendered=rendered)
        drained(product, drain, mails, processes=1, rendered=rendered)
    for setting in others(product):
        product.step("enqueue_many", mails)
        drained(product, drain, mails, processes=1, setting=setting, rendered="when queued")


def others(product: Product) -> tuple[Setting, ...]:
    """Return the further settings with which a product drains."""
    return (SECOND,) if product.name == POST_OFFICE else ()


def enqueued_one_by_one(products: Sequence[Product], kind: str) -> None:
    """Enqueue one message per call, as web requests do, then clear the queue."""
    median = Figure("enqueue one mail, p50", "ms", database=kind, mails=ONE_BY_ONE)
    highest = Figure("enqueue one mail, p99", "ms", database=kind, mails=ONE_BY_ONE)
    for product in products:
        times = product.step("enqueue_one", ONE_BY_ONE)["milliseconds"]
        median.tell(product.name, statistics.median(times))
        highest.tell(product.name, statistics.quantiles(times, n=100)[98])
        product.step("drain", 1)


def drained(
    product: Product, figure: Figure, mails: int, *, processes: int, setting: Setting = NONE, **more: object
) -> None:
    """Drain the queue and print the rate, the CPU time per message, and the memory of the largest worker in MB.

    `machine_us` is the CPU time per message of all processes, including mail server and database server. Any number of
    workers together drains at most (number of processors / `machine_us`) messages.
    """
    if product.name == OURS:
        results = product.together("drain", 1, processes=processes)
        more["shares"] = [result["mails"] for result in results]
    else:
        results = [product.step("drain", processes, **setting)]  # post_office starts its processes itself
    peak = round(max(result["peak_mb"] for result in results), 1)
    more |= {"cpu_us": processor(results, mails), "machine_us": machine(results, mails)}
    figure.tell(product.name, mails / seconds(results), mails=mails, peak_mb=peak, **setting, **more)


def alone(scratch: Scratch, kind: str, port: int, *, waiting: int) -> None:
    """Measure the worker of `make run`: time from enqueueing to acceptance, and memory with many messages waiting."""
    product = Product(scratch, OURS, kind, port=port, purpose="worker")
    with product.worker():
        times = product.step("idle", IDLE)["milliseconds"]
    report("drain", "enqueue to accepted, idle, p50", statistics.median(times), "ms", database=kind, mails=IDLE)
    report("drain", "enqueue to accepted, idle, highest", max(times), "ms", database=kind, mails=IDLE)

    product.step("enqueue_many", waiting)
    with product.worker() as worker, Highest(lambda: megabytes(worker, "RssAnon")) as anonymous:
        result = product.step("wait_until_drained", 0)
        time.sleep(REST)
        memory: dict[str, object] = {
            "database": kind,
            "waiting": waiting,
            "sent": waiting - result["left"],
            # Pages of SQLite's memory-mapped file count as resident, although the kernel can reclaim them at any time.
            "anonymous_peak_mb": round(anonymous.value, 1),
        }
        report("drain", "worker memory, peak", megabytes(worker, "VmHWM"), "MB", **memory)
        report("drain", "worker memory, after", megabytes(worker, "VmRSS"), "MB", **memory)


def far_relay(scratch: Scratch, kind: str, *, mails: int, peers: Sequence[str]) -> None:
    """Drain to a distant server."""
    port = scratch.sink("--pipelining", f"--delay={DISTANCE_MS}")
    trip = round_trip(port)
    if not 2 * DISTANCE_MS <= trip <= 2 * DISTANCE_MS * SLACK:
        print(f"A round trip takes {trip:.1f} ms instead of {2 * DISTANCE_MS}: no far relay.", file=sys.stderr)
        return
    far = Figure(f"drain, relay {DISTANCE_MS} ms away", "messages/s", database=kind, round_trip_ms=round(trip, 1))
    for name in (*(peer for peer in peers if peer == POST_OFFICE), OURS):
        product = Product(scratch, name, kind, port=port, purpose="far")
        reached(product, far, min(mails, FAR_MAILS), round_trip=trip, setting=SECOND if name == POST_OFFICE else NONE)


def reached(product: Product, figure: Figure, mails: int, *, round_trip: float = 0.0, setting: Setting = NONE) -> None:
    """Drain with one worker. Print the rate, its connections and, given `round_trip` in ms, round trips per message."""
    port = int(product.environment["BENCH_PORT"])
    product.step("enqueue_many", mails)
    with Highest(lambda: connections_to(port)) as connections:
        result = product.step("drain", 1, **setting)
    rate = mails / seconds([result])
    more: dict[str, object] = {"connections": int(connections.value)}
    if round_trip and connections.value:
        each = rate / connections.value
        more |= {"per_connection": round(each, 1), "round_trips_a_mail": round(1000 / round_trip / each, 2)}
    figure.tell(product.name, rate, mails=mails, cpu_us=processor([result], mails), **more, **setting)


def round_trip(port: int) -> float:
    """Return the minimum milliseconds that one command takes."""
    with smtplib.SMTP("127.0.0.1", port) as session:
        session.ehlo()
        found = []
        for _ in range(5):
            start = time.perf_counter()
            session.noop()
            found.append((time.perf_counter() - start) * 1000)
    return min(found)
