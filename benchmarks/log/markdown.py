"""Formats the figures of a run as Markdown for docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.log.stores import PARTS, Figures

TITLES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
Figure = dict[str, Any]


def report(figures: Figures, engines: list[str], about: dict[str, object]) -> str:
    """Return all figures of these engines with that many messages."""
    lines = [f"### {figures.rows:,} mails", "", ", ".join(f"{name} {value}" for name, value in about.items()), ""]
    for engine in engines:
        for part in PARTS:
            told = [each for each in figures.of(engine, part) if "figure" in each]
            if told:
                lines += [f"#### {TITLES[engine]}: {part}", "", *WRITERS.get(part, others)(told), ""]
    return "\n".join(lines)


def pages(told: list[Figure]) -> Iterator[str]:
    """Yield the table of pages, with only the slowest of the pairs."""
    yield "| page | p50 / p95, ms | processor | database | aim | | post_office p50 / p95, ms | ratio | aim | |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    single = [each for each in told if not each["figure"].startswith("pair: ")]
    pairs = sorted((each for each in told if each not in single), key=lambda each: -float(each["p95"]))
    for each in [*single, *pairs[:5]]:
        cells = [
            each["figure"],
            f"{each['value']:.1f} / {each['p95']}",
            each.get("processor", ""),
            each.get("database", ""),
            each.get("p95_target", ""),
            verdict(each.get("p95_pass")),
            f"{each['peer']} / {each.get('peer_p95', '')}" if "peer" in each else "",
            each.get("ratio", ""),
            each.get("ratio_target", ""),
            verdict(each.get("ratio_pass")),
        ]
        yield row(cells)
    if pairs:
        middle = sorted(float(each["value"]) for each in pairs)[len(pairs) // 2]
        missed = sum(not each["p95_pass"] for each in pairs)
        yield ""
        yield (
            f"{len(pairs)} pairs of filters and words: median {middle:.1f} ms, slowest p95 {pairs[0]['p95']} ms; "
            f"{missed} of them miss {pairs[0]['p95_target']} ms."
        )


def plans(told: list[Figure]) -> Iterator[str]:
    """Yield the plans of the ten queries, and everything that reads a whole table."""
    for each in told:
        for plan in each.get("plans", ()):
            yield f"* **{each['figure']}**: `{plan}`"
    yield ""
    wrong = [each for each in told if each["scans"]]
    yield f"{len(told) - 1} pages looked at, of which {len(wrong)} read a whole table."
    for each in wrong:
        yield f"* {each['figure']}: {'; '.join(each['scans'])}"


def others(told: list[Figure]) -> Iterator[str]:
    """Yield a table of the given figures."""
    yield "| figure | value | more | |"
    yield "|---|---|---|---|"
    known = {"engine", "part", "rows", "figure", "value", "unit"}
    for each in told:
        verdicts = [verdict(value) for name, value in each.items() if name.endswith("_pass")]
        more = ", ".join(
            f"{name.replace('_', ' ')} {value}"
            for name, value in each.items()
            if name not in known and not name.endswith("_pass")
        )
        yield row(
            [
                each["figure"],
                f"{each['value']:,.{1 if each['value'] < 1000 else 0}f} {each['unit']}",
                more,
                " ".join(verdicts),
            ]
        )


def verdict(value: bool | None) -> str:
    return "" if value is None else "pass" if value else "**missed**"


def row(cells: list[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


WRITERS = {"pages": pages, "plans": plans}
