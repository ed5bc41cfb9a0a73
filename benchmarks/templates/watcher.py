"""A second process that renders a template repeatedly and reports when it sees a new version.

``python -m benchmarks.templates.watcher KEY``: prints a line per new version, with its number and the time.
"""

import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings_test")
django.setup()

from templates_app.rendering import render  # noqa: E402


def main() -> None:
    last = -1
    while os.getppid() > 1:
        version = render(sys.argv[1], {}).version
        if version != last:
            print(version, time.time(), flush=True)
            last = version
        time.sleep(0.005)


if __name__ == "__main__":
    main()
