"""Replies as real servers give them, from `real_replies.tsv`: one row of tab-separated columns per reply."""

import csv
from pathlib import Path
from typing import NamedTuple


class RealReply(NamedTuple):
    """`host`: of the connection, name:port. `meaning`, `window`: what `maillog.explanations` must make of it."""

    host: str
    code: int
    enhanced_code: str
    meaning: str
    window: str
    reply: str


def _read() -> list[RealReply]:
    with Path(__file__).with_suffix(".tsv").open(encoding="utf-8", newline="") as file:
        _header, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    return [RealReply(host, int(code), *rest) for host, code, *rest in rows]


REAL_REPLIES = _read()
