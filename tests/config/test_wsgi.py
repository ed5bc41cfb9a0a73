"""The web server's process: what it has loaded before the first visitor comes stays out of the collector's way."""

import os
import subprocess
import sys

from tests.config.starting import BASE_DIR

LOOK = """
import gc, sys
import config.wsgi
assert "maillog.views.message_list" in sys.modules, "the pages are loaded"
assert gc.get_freeze_count() > 100_000, gc.get_freeze_count()
assert gc.isenabled()
print("ready")
"""


def test_pages_are_loaded_and_left_alone_by_the_collector():
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings_test"}
    found = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=BASE_DIR, env=environment, capture_output=True, text=True, check=False
    )
    assert found.stdout == "ready\n", found.stderr
