"""Reads the output of EXPLAIN: a short form for people, and which large tables are read completely."""

from __future__ import annotations

import re
from collections.abc import Sequence

BIG = r"maillog_(?:message|index|recipient|attempt|content)\b"
# FTS5 names its access after a colon (M: by words, =: by id); there is nothing after it when it reads everything.
WHOLE = re.compile(rf"Seq Scan on {BIG}|^SCAN {BIG}(?! USING| VIRTUAL TABLE INDEX \d+:\S)")
NOISE = re.compile(r"\s*(?:\(actual rows=(\d+) loops=\d+\)|\(never executed\))")
LABELS = re.compile(
    r"^SEARCH (?:maillog_label|T\d+) |(?:Scan|Memoize|Hash Cond|Cache|Index Cond).*(?:maillog_label|\bt\d\b)",
    re.IGNORECASE,
)
LONGEST = 140  # characters of one step
LEFT_OUT = ("Planning Time", "Execution Time", "Heap Fetches", "Rows Removed", "Buckets", "Sort Method", "Heap Blocks")


def scans(lines: Sequence[str], sql: str) -> list[str]:
    """Return the lines of a plan that read a whole table of messages.

    SQLite also says SCAN when it reads messages by id, newest first, until the page is full (PostgreSQL:
    "Index Scan Backward using maillog_message_pkey").
    """
    stripped = [line.strip() for line in lines]
    in_order = "ORDER BY" in sql and "LIMIT" in sql and not any("TEMP B-TREE" in line for line in stripped)
    return [
        line
        for line in stripped
        if WHOLE.search(line)
        and "never executed" not in line
        and not (in_order and line.startswith("SCAN maillog_message"))
    ]


def short(lines: Sequence[str]) -> str:
    """Return a plan in one line: the steps, the rows of each, and index conditions."""
    kept: list[str] = []
    for line in lines:
        text = line.strip().removeprefix("->").strip()
        if text.startswith(LEFT_OUT) or LABELS.search(text):
            continue
        text = NOISE.sub(lambda found: f" [{found[1]}]" if found[1] else " [never]", text)
        kept.append(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")
    return " > ".join(kept)
