"""The editor's preview: response times of the POST after a keystroke, and of the preview frame that follows.

``python -m benchmarks.bench_editor [--count N]``; one JSON line per figure. The template is the built-in password reset
with its layout and parts; each request changes a word, saves the draft, renders it in the sandbox and lints it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from benchmarks.figures import report
from benchmarks.scratch import set_up


def run(count: int) -> None:
    """Measure `count` edits, and print the figures."""
    set_up()
    from django.conf import settings
    from django.test import Client

    from templates_app.models import Document
    from tests.factories import make_admin
    from tests.templates_app.editor.editing import path, typed

    admin = make_admin()
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(admin, backend=settings.AUTHENTICATION_BACKENDS[0])
    document = Document.objects.select_related("project", "published").get(kind="template", key="password_reset")
    assert document.published is not None
    html = document.published.read().languages["en"].html
    saves: list[float] = []
    frames: list[float] = []
    pages: list[float] = []
    for number in range(count + 5):
        data = typed(document, admin, html=html.replace("<p>", f"<p>word {number} ", 1))
        timed(saves, client.post, path(document, "draft"), data)
        timed(frames, client.get, path(document, "draft_frame"), {"language": "en"})
        timed(pages, client.get, path(document))
    for figure, found in (("save_and_preview", saves), ("frame", frames), ("page", pages)):
        report("editor", f"{figure}_median", statistics.median(found[5:]), "ms")
        report("editor", f"{figure}_p95", statistics.quantiles(found[5:], n=20)[18], "ms")


def timed(found: list[float], ask: Any, *request: Any) -> None:
    """Make the request, and append its milliseconds to `found`."""
    start = time.perf_counter()
    answer = ask(*request)
    found.append((time.perf_counter() - start) * 1000)
    assert answer.status_code == 200, answer.status_code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    run(parser.parse_args().count)
