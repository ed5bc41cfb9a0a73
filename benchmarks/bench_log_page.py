"""The log page with 100,000 messages, compared with a page that counts all matches, on the same rows in the same run.

Run as `python -m benchmarks.bench_log_page [rows]`; prints one JSON line per figure: median and 95th percentile of 120
requests through Django's test client, signed in as an administrator, on SQLite. The peer is a page with Django's
Paginator (OFFSET, COUNT over all matches, GROUP BY for the chips) and our template; for this comparison, both are
called as bare views.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Count
from django.http import QueryDict
from django.shortcuts import render
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.figures import report
from benchmarks.scratch import set_up

REQUESTS = 120
SIZE = 50


def milliseconds(work: Callable[[], object], count: int = REQUESTS) -> list[float]:
    """Return the times of `count` calls, after three to warm up."""
    for _ in range(3):
        work()
    found = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        found.append((time.perf_counter() - start) * 1000)
    return found


def tell(figure: str, found: list[float], **more: object) -> None:
    """Print median and 95th percentile."""
    report("log_page", f"{figure}_median", statistics.median(found), "ms", **more)
    report("log_page", f"{figure}_p95", statistics.quantiles(found, n=20)[18], "ms", **more)


def run(count: int) -> None:
    """Fill the log, measure, and print the figures."""
    set_up()
    from benchmarks.log_data import fill
    from maillog.listing.columns import DEFAULT_NAMES, layout
    from maillog.listing.list_request import parse_request as parse_request
    from maillog.listing.rows import rows, texts_by_id
    from maillog.listing.widgets import chips
    from maillog.models import Message
    from maillog.search.counts import Count as Counted
    from maillog.search.paging import Page
    from maillog.views.message_list import listing, toolbar_context
    from users.models import User

    start = time.perf_counter()
    fill(count, now=timezone.now())
    report("log_page", "filled", count / (time.perf_counter() - start), "messages/s", rows=count)

    admin = User.objects.create_superuser("admin@example.com", "correct-horse-battery")
    client = Client(headers={"host": "localhost"})
    client.force_login(admin, backend=settings.AUTHENTICATION_BACKENDS[0])
    page = min(1000, count // SIZE - 1)
    deep = Message.objects.order_by("-id").values_list("id", flat=True)[page * SIZE - 1]
    somebody = Message.objects.order_by("id")[count // 3].to_text
    pages = {
        "first_page": "",
        "failed": "?q=status:failed",
        "common_word": "?q=invoice",
        "rare_recipient": f"?q={somebody}",
        "no_match": "?q=zeppelin",
        f"page_{page}": f"?before={deep}",
    }

    def get(query: str) -> None:
        response = client.get(f"/log/{query}")
        assert response.status_code == 200, (query, response.status_code)

    for name, query in pages.items():
        tell(name, milliseconds(partial(get, query)), rows=count)
    with CaptureQueriesContext(connection) as captured:
        get("?q=invoice+status:failed+after:2020-01-01")
    own = [query for query in captured.captured_queries if "maillog_" in query["sql"]]
    report("log_page", "queries_of_the_page", len(captured), "queries", rows=count)
    report("log_page", "queries_of_the_log", len(own), "queries", rows=count)

    requests = RequestFactory()

    def asked(query: str) -> Any:
        request: Any = requests.get(f"/log/{query}", headers={"host": "localhost"})
        request.user, request.htmx = admin, False
        return request

    def ours_bare(query: str) -> None:
        assert listing(asked(query)).status_code == 200

    def peer(status: str, number: int) -> None:
        everything = Message.objects.select_related("template", "driver", "connection").order_by("-id")
        found = Paginator(everything.filter(status=status) if status else everything, SIZE).page(number)
        mails = list(found.object_list)
        counted = dict(Message.objects.order_by().values_list("status").annotate(count=Count("id")))
        chosen = chips("", {name: Counted(number) for name, number in counted.items()})
        request, usual, nothing = (
            asked(""),
            layout(DEFAULT_NAMES, is_chosen=False),
            parse_request(QueryDict(), everything),
        )
        shown = rows(mails, texts_by_id(nothing.filters.label_ids.items()), usual, with_boxes=True)
        context = {"page": Page(mails), "rows": shown, "layout": usual, "chips": chosen, "may_act": True}
        render(request, "maillog/message_list.html", toolbar_context(request, nothing, usual) | context)

    for figure, query, status, number in (
        ("first_page", "", "", 1),
        ("failed", "?q=status:failed", "failed", 1),
        (f"page_{page}", f"?before={deep}", "", page + 1),
    ):
        # Alternating, so that other work on the machine affects both.
        times = [
            (milliseconds(partial(ours_bare, query), 12), milliseconds(partial(peer, status, number), 12))
            for _ in range(REQUESTS // 12)
        ]
        bare = statistics.median(one for ours, _ in times for one in ours)
        other = statistics.median(one for _, theirs in times for one in theirs)
        report("log_page", f"{figure}_view_alone", bare, "ms", rows=count, ratio_to_peer=round(other / bare, 2))
        report("log_page", f"{figure}_view_alone, OFFSET and COUNT (peer)", other, "ms", rows=count)


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
