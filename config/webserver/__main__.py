"""``python -m config.webserver``: loads Mailadmin once, and serves it from processes that share what was loaded."""

from __future__ import annotations

import argparse
import os
import sys

from config.webserver import prefork


def main() -> None:
    """Parse the command line, load, and serve until a signal. Exits with 1 if the port cannot be had."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    parser = argparse.ArgumentParser(prog="python -m config.webserver", description="Serve Mailadmin's pages and API.")
    parser.add_argument("--host", help="the address to listen on (WEB_HOST, or 127.0.0.1)")
    parser.add_argument("--port", type=int, help="the port (PORT, or 8000)")
    parser.add_argument("--processes", type=int, help="how many processes (WEB_PROCESSES, or one per core)")
    options = parser.parse_args()
    sys.exit(prefork.serve(options.host, options.port, options.processes))


if __name__ == "__main__":
    main()
