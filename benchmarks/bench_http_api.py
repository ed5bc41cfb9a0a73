"""The cost of the HTTP API for sending and searching: one message per request, 500 per request, a page of the log.

``python -m benchmarks.bench_http_api``; prints one JSON line per figure, on SQLite, through Django's test client with
all middleware. Each way of sending alternates with a peer: the same messages through `mailadmin.api`, which the API
calls, in the same process.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from time import perf_counter
from typing import Any

from django.test import Client

from benchmarks.figures import report
from benchmarks.scratch import set_up

REQUESTS = 400
BATCHES = 8
BATCH = 500
ROUNDS = 4
TEXT = "A line of some sixty characters, as in most messages.\n" * 15
MAIL: dict[str, Any] = {"to": ["Ann <ann@example.com>"], "subject": "Your order", "text": TEXT}
VALUES = {"name": "Ann", "email": "ann@example.com", "sign_in_url": "https://example.com/"}
FROM_TEMPLATE: dict[str, Any] = {
    "to": ["Ann <ann@example.com>"],
    "template": "account/welcome",
    "values": VALUES,
    "language": "de",
}


def main() -> None:
    """Measure, and print one JSON line per figure."""
    set_up(driver="silent", from_address="shop@example.com")
    from mailadmin.api import Mail, send, send_many, send_template
    from mailadmin.http_api import api_keys
    from mailadmin.models.api_key import Scope
    from users.models import User

    owner = User.objects.create_superuser("admin@example.com", "correct-horse-battery")
    _, key = api_keys.make(owner, name="bench", scopes=Scope.values, lifetime=timedelta(days=1))
    client = Client(headers={"host": "localhost", "authorization": f"Bearer {key}"})

    def post(path: str, body: object) -> Callable[[], object]:
        text = json.dumps(body)

        def ask() -> None:
            response = client.post(f"/api/v1{path}", text, content_type="application/json")
            assert response.status_code == 202, response.content

        return ask

    mails = [Mail(**MAIL) for _ in range(BATCH)]
    compare("one mail", post("/mails", MAIL), lambda: send(Mail(**MAIL)), REQUESTS, 1)
    template = {("key" if name == "template" else name): value for name, value in FROM_TEMPLATE.items()}
    compare("one mail from a template", post("/mails", FROM_TEMPLATE), lambda: send_template(**template), REQUESTS, 1)
    compare("500 mails", post("/mails/batch", {"mails": [MAIL] * BATCH}), lambda: send_many(mails), BATCHES, BATCH)

    pages = {"first page of the log": "/mails", "a page of 200": "/mails?limit=200", "a message": "/mails/1"}
    for name, path in pages.items():
        times = sorted(seconds(partial(client.get, f"/api/v1{path}")) for _ in range(REQUESTS // 4))
        p95 = round(times[int(len(times) * 0.95)] * 1000, 1)
        report("http_api", f"{name}, median", statistics.median(times) * 1000, "ms", p95=p95)


def compare(name: str, ours: Callable[[], object], peer: Callable[[], object], requests: int, mails: int) -> None:
    """Report how many messages per second both store, alternating; the best of ROUNDS counts."""
    ours()
    peer()
    best = {ours: 0.0, peer: 0.0}
    for _ in range(ROUNDS):
        for way in best:
            took = sum(seconds(way) for _ in range(requests // ROUNDS))
            best[way] = max(best[way], requests // ROUNDS * mails / took)
    report("http_api", name, best[ours], "messages/s", ratio_to_peer=round(best[ours] / best[peer], 2))
    report("http_api", f"{name}, mailadmin.api (peer)", best[peer], "messages/s")


def seconds(call: Callable[[], object]) -> float:
    """Return how long `call` takes."""
    start = perf_counter()
    call()
    return perf_counter() - start


if __name__ == "__main__":
    main()
