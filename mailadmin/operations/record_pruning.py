"""Removes what drivers recorded of messages whose content the log no longer has."""

import logging

from mailadmin.drivers import registry
from mailadmin.drivers.recording import RecordingDriver
from maillog import lookup

logger = logging.getLogger(__name__)


def prune_records() -> int:
    """Remove the records and return how many. A file that cannot be read or replaced is logged."""
    removed = 0
    for driver in registry.drivers():
        if isinstance(driver, RecordingDriver):
            try:
                removed += driver.prune(lookup.without_content)
            except OSError:
                logger.exception("What the driver %s recorded cannot be pruned.", driver.key)
    return removed
