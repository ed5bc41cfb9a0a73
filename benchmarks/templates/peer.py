"""Lets django-post-office render the same message in its own environment, and returns its times."""

from __future__ import annotations

import json
import os
from typing import Any

from benchmarks.drain.products import KEPT, PEERS_PYTHON
from benchmarks.drain.scratch import Scratch, stop


def installed() -> bool:
    return PEERS_PYTHON.exists()


def milliseconds(count: int, *, subject: str, text: str, html: str, values: dict[str, str]) -> list[float]:
    """Return post_office's time for each of `count` messages; ``%d`` in a value becomes the message's number."""
    with Scratch() as scratch:
        given = {"subject": subject, "text": text, "html": html, "values": values}
        (scratch.folder / "template.json").write_text(json.dumps(given), encoding="utf-8")
        process = scratch.process(
            [str(PEERS_PYTHON), "-m", "benchmarks.peers.post_office_render", "render", str(count)],
            {
                **{name: value for name, value in os.environ.items() if name.startswith(KEPT)},
                "BENCH_FOLDER": str(scratch.folder),
                "BENCH_PORT": "25",
                "DATABASE_URL": scratch.database("sqlite", "peer"),
            },
        )
        result = told(process)
        stop(process)
    return list(result["milliseconds"])


def told(process: Any) -> dict[str, Any]:
    """Send "go" to a step that is ready, and return its result."""
    assert process.stdout.readline().strip() == "ready"
    process.stdin.write("go\n")
    process.stdin.flush()
    result: dict[str, Any] = json.loads(process.stdout.readline())
    return result


def as_django_template(text: str, marks: dict[str, str]) -> str:
    """Return rendered `text` with each mark replaced by Django's name for the value."""
    for name, mark in marks.items():
        text = text.replace(mark, f"{{{{ {name} }}}}")
    return text
