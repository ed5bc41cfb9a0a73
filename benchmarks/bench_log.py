"""The log with a million messages or more, on SQLite and PostgreSQL, compared with django-post_office's admin list.

``python -m benchmarks.bench_log [--rows N] [--engine sqlite|postgres] [--only PART,...] [--resume] [--keep]``, or
``make bench-log``; one JSON line per figure, and Markdown tables at the end. Parts: `pages` (alternating with the
peer's), `plans`, `export`, `overhead` (of the search index when queueing and draining), `writers` (four and a worker,
for a minute), `prune` (100,000 messages while another process sends). Databases are kept until all parts are done, so
an interrupted run can continue with ``--resume``. docs/performance.md explains the figures.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.drain.products import PEERS_PYTHON
from benchmarks.drain.scratch import ROOT, Scratch, postgres_answers
from benchmarks.log import contention, markdown, measures
from benchmarks.log.stores import PARTS, Figures, machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.log.measures import Run

MANY = 1_000_000  # messages; beyond that, bodies are omitted unless --bodies is given
WORK: dict[str, Callable[[Run], None]] = {
    "pages": measures.pages,
    "plans": measures.plans,
    "export": measures.export,
    "overhead": measures.overhead,
    "writers": contention.writers,
    "prune": contention.prune,
}
ALONE = {"overhead"}  # parts that need no filled log


def main() -> None:
    """Measure, and print one JSON line per figure."""
    options = parsed()
    options.folder.mkdir(parents=True, exist_ok=True)
    figures = Figures(options.folder, options.rows)
    engines = [options.engine] if options.engine else ["sqlite", "postgres"]
    if "postgres" in engines and not postgres_answers():
        engines.remove("postgres")
        print("PostgreSQL does not respond and is skipped. Set BENCH_POSTGRES to its URL.", file=sys.stderr)
    if not PEERS_PYTHON.exists():
        print("The peer is not installed and is skipped; `make .venv-peers/.installed` installs it.", file=sys.stderr)
    about = machine()
    problems: list[str] = []
    try:
        with Scratch() as scratch:
            for engine in engines:
                problems += on(engine, scratch, figures, options)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        text = markdown.report(figures, engines, about)
        if options.markdown:
            options.markdown.write_text(text, encoding="utf-8")
        else:
            print(text)
    sys.stderr.writelines(f"FAILED: {problem}\n" for problem in problems)
    sys.exit(1 if problems else 0)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_log", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=MANY)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), help="only this engine")
    parser.add_argument("--only", type=parts, default=list(WORK), metavar="PART,...", help=", ".join(WORK))
    parser.add_argument(
        "--bodies", action=argparse.BooleanOptionalAction, help="2 kB per message; default: up to a million messages"
    )
    parser.add_argument("--no-peer", action="store_true", help="without django-post_office")
    parser.add_argument("--requests", type=int, default=40, help="per page; fewer if each takes seconds")
    parser.add_argument("--resume", action="store_true", help="skip parts whose figures exist")
    parser.add_argument("--keep", action="store_true", help="keep the databases, for other parts later")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "bench-log", help="for databases and figures")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the tables to FILE; default: standard output"
    )
    options = parser.parse_args()
    if options.bodies is None:
        options.bodies = options.rows <= MANY
    return options


def parts(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := set(chosen) - set(WORK):
        message = f"there is no {', '.join(sorted(unknown))}"
        raise argparse.ArgumentTypeError(message)
    return [part for part in PARTS if part in chosen]


def on(engine: str, scratch: Scratch, figures: Figures, options: argparse.Namespace) -> list[str]:
    """Run all chosen parts on one engine. A part that fails does not stop the others."""
    run = measures.Run(
        scratch, figures, engine, bodies=options.bodies, peer=not options.no_peer, requests=options.requests
    )
    left = [part for part in options.only if not (options.resume and figures.is_done(engine, part))]
    for part in left:
        try:
            if part not in ALONE:
                filled(run, part)
            figures.begin(engine, part)
            before = len(run.problems)
            WORK[part](run)
            if len(run.problems) == before:
                figures.end()
        except Exception as error:  # noqa: BLE001  (the other parts are worth measuring)
            traceback.print_exc()
            run.wrong(part, error)
    if not options.keep and not run.problems:
        for store in (run.ours, run.peer):
            if store:
                store.drop()
    return run.problems


def filled(run: Run, part: str) -> None:
    """Fill the databases that the part needs."""
    needed = [run.ours, *([run.peer] if run.peer and part == "pages" else [])]
    if not all(store.is_filled() for store in needed):
        run.figures.begin(run.engine, "fill")
        measures.fill(run, peer=part == "pages")


if __name__ == "__main__":
    main()
