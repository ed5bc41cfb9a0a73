"""A lab on the database of the tests, which real workers share."""

import pytest
from django.db import connection

from benchmarks.faults.lab import SENDER, Lab


def database_url() -> str:
    """Return the address of the database that this test works on."""
    stored = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{stored['NAME']}"
    password = f":{stored['PASSWORD']}" if stored["PASSWORD"] else ""
    return f"postgres://{stored['USER']}{password}@{stored['HOST']}:{stored['PORT']}/{stored['NAME']}"


@pytest.fixture
def lab(transactional_db, mail_settings):
    """Processes that work on this test's database; they end with the test."""
    mail_settings(from_address=SENDER)
    with Lab(database=database_url()) as made:
        yield made
