"""Tables of cases in one test: a failure names its case."""

import contextlib
from collections.abc import Iterator

from django.core.cache import cache
from django.db import transaction

from mailadmin.delivery import expired_leases
from maillog import labels
from maillog.search.counts import capped_statuses
from templates_app import compiled_cache

LONGEST = 200  # characters of a case that a failure repeats


def forget() -> None:
    """Empty what the process remembers of the database and of the time of day."""
    expired_leases.watch = expired_leases.ClockWatch()
    cache.clear()
    capped_statuses.clear()
    compiled_cache.expire_cache()
    labels.clear_cache()


@contextlib.contextmanager
def case(*what: object) -> Iterator[None]:
    """Name the case in whatever fails inside."""
    try:
        yield
    except BaseException as failure:  # pytest's own failures are no Exception
        failure.add_note("case: " + ", ".join(repr(one)[:LONGEST] for one in what))
        raise


@contextlib.contextmanager
def rolled_back(*what: object) -> Iterator[None]:
    """Name the case, and undo what it stored, so that the next one starts from the same rows."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]  # as in TestCase: durable blocks may stand inside
    with case(*what), block:
        yield
        transaction.set_rollback(True)
    forget()
