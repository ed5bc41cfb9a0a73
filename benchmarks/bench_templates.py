"""Templates: rendering compared with django-post-office, previews, hostile templates, propagation of a publish.

``python -m benchmarks.bench_templates [--mails N] [--only render|preview|hostile|publish]``; one JSON line per figure.
`make bench` first prepares the environment of the peer; without it, its figures are skipped.

The message is the built-in password reset: subject, HTML with layout and parts whose CSS is inlined, plain text. For
post_office, the template is flat and its CSS is inlined beforehand.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.figures import report
from benchmarks.scratch import set_up
from benchmarks.templates import peer

BENCH = "templates"
KEY = "account/password_reset"
VALUES = {"name": "Ann Lee %d", "site": "Example", "reset_url": "https://mail.example.com/account/reset/4-dg8k2p-%d/"}
MARKS = {"name": "Mark Name", "site": "Mark.Site", "reset_url": "https://mark.example.com/reset"}


def values(number: int) -> dict[str, str]:
    return {name: value.replace("%d", str(number)) for name, value in VALUES.items()}


def tell(figure: str, found: list[float], unit: str = "ms", **more: object) -> None:
    report(BENCH, f"{figure}_median", statistics.median(found), unit, **more)
    report(BENCH, f"{figure}_p95", statistics.quantiles(found, n=20)[18], unit, **more)


# ---------------------------------------------------------------- rendering


def rendering(count: int) -> None:
    """The built-in password reset, warm, in this process; then post_office in its own."""
    from templates_app.compiled_cache import expire_cache
    from templates_app.rendering import render

    start = time.perf_counter()
    render(KEY, values(0))
    report(BENCH, "render_first", (time.perf_counter() - start) * 1000, "ms")
    found = timed(lambda number: render(KEY, values(number)), count)
    tell("render_warm", found["milliseconds"])
    report(BENCH, "render_warm_rate", count / found["cpu"], "messages per second of processor time")
    expire_cache()
    if not peer.installed():
        print("The peer is not installed: `make .venv-peers/.installed`.", file=sys.stderr)
        return
    mail = render(KEY, MARKS)
    texts = {part: peer.as_django_template(getattr(mail, part), MARKS) for part in ("subject", "text", "html")}
    theirs = peer.milliseconds(count, values=VALUES, **texts)
    ratio = statistics.median(found["milliseconds"]) / statistics.median(theirs)
    tell("render_warm (peer)", theirs, product="django-post-office")
    report(BENCH, "render_ratio_to_post_office", ratio, "x")


def timed(work: Any, count: int) -> dict[str, Any]:
    """Return the milliseconds of `count` calls, after a hundred to warm up, and their processor seconds."""
    for number in range(100):
        work(number)
    found = []
    cpu = time.process_time()
    for number in range(count):
        start = time.perf_counter()
        work(number)
        found.append((time.perf_counter() - start) * 1000)
    return {"milliseconds": found, "cpu": time.process_time() - cpu}


# ---------------------------------------------------------------- previews


def previews(count: int) -> None:
    """A draft, bundled with its parts and rendered in the sandbox, as in the editor's preview."""
    from templates_app.bundles import bundle_of
    from templates_app.models import Document
    from templates_app.sandbox import client as sandbox

    document = Document.objects.select_related("project", "published").get(
        kind="template", project__key="account", key="password_reset"
    )
    assert document.published is not None
    content = document.published.read()

    def one(number: int) -> None:
        outcome = sandbox.render_one(bundle_of(document, content), values(number), "de")
        assert outcome.rendered, outcome.problems

    start = time.perf_counter()
    one(0)
    report(BENCH, "preview_first", (time.perf_counter() - start) * 1000, "ms")
    tell("preview", timed(one, count)["milliseconds"])


# ---------------------------------------------------------------- hostile templates


def hostile_ones() -> None:
    """Every hostile template, two at a time, while the same process serves other pages."""
    from templates_app.sandbox import client as sandbox
    from tests.templates_app import hostile
    from tests.templates_app.transfer.bundles import bundle_of

    done = threading.Event()
    pages: list[float] = []

    def browse() -> None:
        client = signed_in()
        while not done.is_set():
            start = time.perf_counter()
            assert client.get("/log/").status_code == 200
            pages.append((time.perf_counter() - start) * 1000)
            time.sleep(0.02)

    def one(source: str) -> tuple[float, bool]:
        bundle = bundle_of(source, variables="name", declared=[{"name": "things", "type": "list"}], parts=hostile.PARTS)
        start = time.perf_counter()
        outcome = sandbox.render_one(bundle, hostile.VALUES)
        return time.perf_counter() - start, bool(outcome.problems) and outcome.rendered is None

    one("x")
    signed_in().get("/log/")
    browser = threading.Thread(target=browse)
    browser.start()
    before = resident_megabytes()
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(one, hostile.ALL))
    grown = resident_megabytes() - before
    done.set()
    browser.join()
    report(BENCH, "hostile_answered", sum(refused for _, refused in found), f"of {len(found)}")
    report(BENCH, "hostile_slowest", max(seconds for seconds, _ in found), "s")
    report(BENCH, "hostile_median", statistics.median(seconds for seconds, _ in found), "s")
    tell("page_concurrent", pages)
    report(BENCH, "page_concurrent_slowest", max(pages), "ms", pages=len(pages))
    report(BENCH, "memory_grown", grown, "MB")
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(one, [hostile.LOOPS[0]] * 8))
    report(BENCH, "hostile_eight_at_once_slowest", max(seconds for seconds, _ in found), "s")


def signed_in() -> Any:
    """Return Django's test client, signed in as an administrator."""
    from django.conf import settings
    from django.test import Client

    from tests.factories import make_admin
    from users.models import User

    client = Client(SERVER_NAME="127.0.0.1")
    user = User.objects.filter(is_superuser=True).first() or make_admin()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return client


def resident_megabytes() -> float:
    """Return this process's resident memory (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


# ---------------------------------------------------------------- publishing


def publishing(count: int) -> None:
    """The time from the commit of a publish until another process renders the new version."""
    from tests.templates_app.makers import publish_unchecked
    from tests.templates_app.transfer.bundles import content_of

    publish_unchecked("bench/seen", content_of(text="0", subject="x"))
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.templates.watcher", "bench/seen"], stdout=subprocess.PIPE, text=True
    ) as watcher:
        assert watcher.stdout is not None
        watcher.stdout.readline()
        found = []
        for number in range(1, count + 1):
            time.sleep(0.1 + number * 0.073 % 1)
            publish_unchecked("bench/seen", content_of(text=f"{number}", subject="x"))
            committed = time.time()
            found.append((float(watcher.stdout.readline().split()[1]) - committed) * 1000)
        watcher.kill()
    report(BENCH, "publish_seen_elsewhere_median", statistics.median(found), "ms")
    report(BENCH, "publish_seen_elsewhere_slowest", max(found), "ms", publishes=count)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_templates")
    parser.add_argument("--mails", type=int, default=5_000)
    parser.add_argument("--only", choices=("render", "preview", "hostile", "publish"))
    options = parser.parse_args()
    set_up()
    steps = {
        "render": lambda: rendering(options.mails),
        "preview": lambda: previews(200),
        "hostile": hostile_ones,
        "publish": lambda: publishing(12),
    }
    for name, step in steps.items():
        if options.only in {None, name}:
            step()


if __name__ == "__main__":
    main()
