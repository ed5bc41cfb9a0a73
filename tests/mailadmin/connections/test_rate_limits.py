"""Rate limits of a connection, counted over all workers."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from mailadmin.connections import rate_limits
from mailadmin.models import ConnectionRate

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def reserve(count, *, now=NOW, horizon=DAY, **limits):
    return rate_limits.reserve("17", rate_limits.limits_of(limits), count, now=now, horizon=horizon)


@pytest.mark.django_db
def test_without_a_limit_everything_leaves_at_once():
    assert reserve(5) == [NOW] * 5


@pytest.mark.django_db
def test_a_booking_by_a_clock_that_was_a_day_ahead_is_not_believed():
    for limits in ({"per_second": 10}, {"per_minute": 100}, {"per_hour": 20}, {"per_day": 1000}):
        for ahead in (DAY, 400 * DAY):
            reserve(1, now=NOW + ahead, horizon=timedelta(seconds=10), **limits)
            assert reserve(1, horizon=timedelta(seconds=10), **limits) == [NOW]
            ConnectionRate.objects.all().delete()


@pytest.mark.django_db
def test_a_tenth_may_leave_at_once_and_the_rest_evenly():
    times = reserve(60, per_minute=60)
    assert times[:6] == [NOW] * 6
    gaps = {round((late - early).total_seconds(), 3) for early, late in pairwise(times[6:])}
    assert gaps == {round(60 / 54, 3)}


@pytest.mark.django_db
def test_what_lies_beyond_the_horizon_is_not_booked():
    first = reserve(1_000, per_second=10, horizon=timedelta(seconds=10))
    assert 80 <= len(first) <= 101
    assert reserve(1_000, per_second=10, horizon=timedelta(seconds=10)) == []
    later = reserve(5, per_second=10, now=NOW + timedelta(seconds=10), horizon=timedelta(seconds=10))
    assert later[0] >= first[-1]


@pytest.mark.django_db
def test_an_idle_connection_gets_its_burst_back_and_no_more():
    reserve(60, per_minute=60)
    times = reserve(60, per_minute=60, now=NOW + DAY)
    assert times.count(NOW + DAY) == 6


@pytest.mark.django_db
def test_connections_do_not_share_their_limits():
    reserve(60, per_minute=60)
    other = rate_limits.reserve("18", rate_limits.limits_of({"per_minute": 60}), 1, now=NOW, horizon=DAY)
    assert other == [NOW]
    assert ConnectionRate.objects.count() == 2


class Windows(TestCase):
    """No window of any limit ever sees more mails than the limit allows."""

    @settings(max_examples=40, deadline=None)
    @given(
        per_second=st.integers(0, 20),
        per_minute=st.integers(0, 200),
        calls=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3_000)), min_size=1, max_size=6),
    )
    def test_no_window_sees_more_than_its_limit(self, per_second, per_minute, calls):
        ConnectionRate.objects.all().delete()
        now, times = NOW, []
        for count, wait in calls:
            times += reserve(count, now=now, per_second=per_second, per_minute=per_minute)
            now += timedelta(milliseconds=wait)
        times.sort()
        for limit, seconds in ((per_second, 1), (per_minute, 60)):
            if limit > 1:
                for start in range(len(times) - limit):
                    assert times[start + limit] - times[start] >= timedelta(seconds=seconds) * 0.999
