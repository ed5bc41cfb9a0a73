"""When a connection whose account has reached a limit is tried again."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from maillog.explanations.account_limits import LONGEST, RESTS, SHORTEST, account_limit, rest_until, stated_end
from tests.cases import case
from tests.maillog.explanations.real_replies import REAL_REPLIES

NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)


def test_the_end_that_a_reply_states_is_believed():
    for reply, seconds in [
        ("Too many messages. Try again in 92 seconds.", 92),
        ("Relay quota will reset in 3.12 hours.", 3.12 * 3600),
        ("sending limit exceeded, retry after 15 mins", 900),
        ("please wait 2 h", 7200),
        ("limit reached; try again in 1 day", 86400),
        ("limit exceeded, try again after Tue, 01 Dec 2026 10:00:00 UTC", 1800),
        ("limit exceeded until 2026-12-01T10:00:00Z", 1800),
        ("limit exceeded until 2026-12-01 12:00 +0200", 1800),
        ("try again in 1 second", 10),
    ]:
        with case(reply):
            assert stated_end(reply, NOW) == NOW + timedelta(seconds=seconds)


def test_what_is_no_time_or_none_to_believe_is_passed_over():
    for reply in [
        "user has exceeded its 24-hour sending limit",
        "exceeded the max emails per hour (150/150 (100%)) allowed",
        "Messages to 250 recipients out of 250 allowed have been sent",
        "try again in 900 days",
        "until 2031-01-01T00:00:00Z",
        "until 2026-13-45T99:00:00Z",
        "",
    ]:
        with case(reply):
            assert stated_end(reply, NOW) is None


def test_without_a_stated_end_the_window_decides_and_each_further_time_takes_longer():
    for window, (first, longest) in RESTS.items():
        with case(window):
            assert rest_until(window, "limit", strikes=1, now=NOW) == NOW + first
            assert rest_until(window, "limit", strikes=2, now=NOW) == NOW + min(2 * first, longest)
            assert rest_until(window, "limit", strikes=99, now=NOW) == NOW + longest


def test_limits_of_the_account_are_told_from_those_of_a_recipient():
    for row in REAL_REPLIES:
        with case(row.reply):
            found = account_limit(row.code, row.enhanced_code, row.reply)
            assert (found is not None and bool(found.row and found.row.window)) == bool(row.window)


@given(st.text())
def test_no_text_makes_it_fail(reply):
    at = stated_end(reply, NOW)
    assert at is None or NOW + SHORTEST <= at <= NOW + LONGEST
