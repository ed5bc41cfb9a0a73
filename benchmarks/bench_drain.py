"""Queueing and draining messages, compared with django-post-office and django-mailer in the same run.

``python -m benchmarks.bench_drain [--mails N | --quick] [--rounds N] [--only sqlite|postgres] [--no-peers]``;
`make bench` first prepares the environment of the peers. All send the same message (2 kB, text and HTML, from a stored
template) to the same sink. docs/performance.md explains the figures.
"""

import argparse
import sys

from benchmarks.drain.measures import alone, beside_peers, far_relay
from benchmarks.drain.products import MAILER, PEERS_PYTHON, POST_OFFICE
from benchmarks.drain.scratch import Scratch, postgres_answers


def main() -> None:
    """Measure, and print one JSON line per figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_drain")
    parser.add_argument("--mails", type=int, default=20_000)
    parser.add_argument("--quick", action="store_true", help="2,000 messages")
    parser.add_argument("--rounds", type=int, default=1, help="repetitions, for a busy machine; the best counts")
    parser.add_argument("--only", choices=("sqlite", "postgres"), help="only this database")
    parser.add_argument("--no-peers", action="store_true", help="without ratios")
    options = parser.parse_args()
    mails = 2_000 if options.quick else options.mails
    peers = () if options.no_peers else (POST_OFFICE, MAILER)
    if peers and not PEERS_PYTHON.exists():
        sys.exit("The peers are not installed: run `make .venv-peers/.installed`, or say --no-peers.")
    kinds = [options.only] if options.only else ["sqlite", "postgres"]
    if "postgres" in kinds and not postgres_answers():
        kinds.remove("postgres")
        print("PostgreSQL does not respond and is skipped. Set BENCH_POSTGRES to its URL.", file=sys.stderr)
    try:
        with Scratch() as scratch:
            port = scratch.sink("--pipelining")
            for kind in kinds:
                beside_peers(scratch, kind, port, mails=mails, peers=peers, rounds=options.rounds)
                alone(scratch, kind, port, waiting=5 * mails)
            for kind in kinds[:1]:  # the database makes no difference here
                far_relay(scratch, kind, mails=mails, peers=peers)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
