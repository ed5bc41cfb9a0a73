"""Any behaviour of a server, any mails: no result is missing, none is wrong about what the server took."""

import asyncio
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailadmin.drivers.smtp import pool
from mailadmin.drivers.smtp.driver import SmtpDriver
from tests import patience
from tests.mailadmin.drivers.smtp.smtp_sending import ANN, BEN, CY, TIMEOUT, connection_to, envelope
from tests.smtp_faults import DRIP, DROP, EOF, FLUSH, GARBAGE, HANG, FaultyServer, reply, slow, stray

REFUSALS = [reply("421 4.3.2 Bye"), reply("451 4.3.0 Later"), reply("550 5.7.1 No"), reply("552 Too many")]
BREAKS = [DROP, EOF, GARBAGE, HANG, FLUSH, DRIP]
LATE = [slow(TIMEOUT / 10), slow(2 * TIMEOUT)]
STRAYS = [stray("250 2.0.0 stray"), stray("550 5.0.0 stray"), stray("451 4.0.0 stray"), stray("354 stray")]


def plan(*kinds):
    """What happens at a phase, visit by visit: mostly nothing."""
    some = st.sampled_from([fault for kind in kinds for fault in kind])
    return st.lists(st.one_of(st.none(), st.none(), some), max_size=6)


scripts = st.fixed_dictionaries(
    {},
    optional={
        "greeting": plan(REFUSALS, [DROP, EOF]),
        "mail": plan(REFUSALS, BREAKS, LATE),
        "rcpt": plan(REFUSALS, BREAKS, LATE),
        "data": plan(REFUSALS, [DROP, EOF, HANG]),
        "reading": plan([DROP, HANG, slow(TIMEOUT / 10)]),
        "content": plan(REFUSALS, BREAKS, LATE, STRAYS),
        "rset": plan(REFUSALS, [DROP, EOF, GARBAGE]),
        "dot": plan(REFUSALS, [DROP, HANG]),
        f"rcpt:{BEN}": st.just(reply("550 5.1.1 No such user")),
        f"rcpt:{CY}": st.just(reply("451 4.2.1 Later")),
    },
)
recipients = st.lists(st.sampled_from([ANN, BEN, CY]), min_size=1, max_size=3, unique=True)
limits = st.fixed_dictionaries(
    {"max_connections": st.integers(1, 3), "mails_per_connection": st.sampled_from([1, 2, 100])}
)
options = st.fixed_dictionaries(
    {
        "pipelining": st.sampled_from([True, True, False]),
        "data_without_recipients": st.sampled_from(["554 5.5.1 None", "503 5.5.1 None", "354 Go ahead"]),
    }
)


def number_of(content):
    return int(content.split(b"\r\n", 1)[0].removeprefix(b"Subject: "))


@pytest.mark.usefixtures("client_clock")
@settings(
    max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)  # one clock does for all
@given(scripts, st.lists(st.lists(recipients, min_size=1, max_size=5), min_size=1, max_size=2), limits, options)
def test_every_mail_has_one_result_and_it_is_true(script, calls, limits, options):
    numbers = iter(range(100))
    batches = [
        [
            envelope(*people, number=number, content=b"Subject: %d\r\n\r\n.\r\n" % number)
            for people in call
            for number in [next(numbers)]
        ]
        for call in calls
    ]
    told = []

    async def go(server):
        to = connection_to(timeout=TIMEOUT, **server.fields, **limits)
        calls = (SmtpDriver().send(mails, to, on_result=lambda *one: told.append(one)) for mails in batches)
        try:
            return await asyncio.wait_for(asyncio.gather(*calls), 100 * TIMEOUT)
        finally:
            await pool.close_all(1.0)

    with FaultyServer(faults=script, **options) as server:
        results = patience.run(go(server))
        found = [
            (mail, one)
            for mails, got in zip(batches, results, strict=True)
            for mail, one in zip(mails, got, strict=True)
        ]

    taken = {number_of(mail.content): mail for mail in server.mails}
    assert sorted((mail.id, id(result)) for mail, result in told) == sorted((mail.id, id(one)) for mail, one in found)
    assert all(count == 1 for count in Counter(number_of(each) for each in server.contents if each).values())
    for mail, result in found:
        assert set(result.recipients) == set(mail.recipients)
        outcomes = {each.outcome for each in result.recipients.values()}
        if result.outcome in ("sent", "partial"):
            accepted = {address for address, each in result.recipients.items() if each.outcome == "accepted"}
            assert accepted == set(taken[mail.id].recipients)
            assert result.error is None
        elif result.outcome == "uncertain":
            assert result.error.uncertain
            assert "uncertain" in outcomes
            assert "accepted" not in outcomes
        else:
            assert mail.id not in taken
            assert outcomes <= {"deferred", "refused"}
            assert result.outcome == ("deferred" if "deferred" in outcomes else "failed")
            assert result.error is not None
