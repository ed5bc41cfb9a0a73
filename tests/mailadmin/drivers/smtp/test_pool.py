"""Connections that are shared: how many there are, and that one dial decides."""

import asyncio

import pytest

from mailadmin.errors import ConnectFailed, ConversationBroken, SignInRefused
from tests.mailadmin.drivers.smtp.pool_sending import DRIVER, mails, outcomes_of, run, server_of
from tests.mailadmin.drivers.smtp.smtp_sending import PASSWORD
from tests.patience import BEGIN
from tests.smtp_faults import DROP, HANG, reply, slow, together

pytestmark = pytest.mark.usefixtures("client_clock")

# ---------------------------------------------------------------- how many connections


@pytest.mark.parametrize("pipelining", [True, False])
def test_much_work_is_spread_over_as_many_connections_as_are_allowed(start_faulty_smtp, pipelining):
    server = start_faulty_smtp(pipelining=pipelining, faults={"content": slow(0.02)})
    told = []

    async def go():
        to = server_of(server, max_connections=3)
        results = await DRIVER.send(mails(60), to, on_result=lambda mail, result: told.append((mail.id, result)))
        return results, asyncio.get_running_loop().time() - BEGIN

    results, seconds = run(go())
    assert outcomes_of(results) == {"sent"}
    assert [list(result.recipients) for result in results] == [
        [f"person{number}@example.org"] for number in range(1, 61)
    ]
    assert sorted(number for number, _result in told) == list(range(1, 61))
    assert all(results[number - 1] is result for number, result in told)
    assert (server.connections, server.most_open) == (3, 3)
    assert len(server.mails) == 60
    assert 20 * 0.02 <= seconds < 30 * 0.02


def test_little_work_needs_no_second_connection(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True, faults={"greeting": slow(0.1)})
    assert outcomes_of(run(DRIVER.send(mails(10), server_of(server)))) == {"sent"}
    assert server.connections == 1


def test_mails_that_wait_behind_one_that_hangs_get_another_connection(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True, faults={"content": [HANG]})
    told = {}

    async def go():
        to, loop = server_of(server, timeout=20.0), asyncio.get_running_loop()
        return await DRIVER.send(
            mails(6), to, on_result=lambda mail, _result: told.update({mail.id: loop.time() - BEGIN})
        )

    results = run(go())
    assert [result.outcome for result in results] == ["uncertain", *["sent"] * 5]
    assert all(told[number] < 15 for number in (3, 4, 5, 6)), told
    assert told[2] >= 20  # its commands had left behind the first one's content
    assert len(server.mails) == 5


def test_a_connection_leaves_after_its_share_of_mails(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True)
    results = run(DRIVER.send(mails(10), server_of(server, max_connections=1, mails_per_connection=4)))
    assert outcomes_of(results) == {"sent"}
    assert (server.connections, server.most_open, server.count("QUIT")) == (3, 1, 3)
    assert server.pipelined == 10 * 2 + 7  # the last mail of each connection is followed by nothing


# ---------------------------------------------------------------- one dial decides


def test_a_wrong_password_is_tried_once_for_all_who_wait(start_smtp):
    server = start_smtp()

    async def go():
        to = server_of(server, password=PASSWORD)
        return await asyncio.gather(*(DRIVER.send(mails(20, first=20 * call), to) for call in range(3)))

    for results in run(go()):
        assert len(results) == 20
        assert {type(result.error) for result in results} == {SignInRefused}
        assert outcomes_of(results) == {"deferred"}
    assert (server.connections, len(server.sign_ins)) == (1, 1)


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_server_that_wants_a_sign_in_first_says_so_once_for_all_who_wait(start_faulty_smtp, pipelining):
    demand = reply("530 5.7.0 Authentication required")
    server = start_faulty_smtp(pipelining=pipelining, faults={"mail": demand})
    results = run(DRIVER.send(mails(50), server_of(server)))
    assert outcomes_of(results) == {"deferred"}
    assert {type(result.error) for result in results} == {SignInRefused}
    assert server.count("MAIL") <= 2  # the next one may have left with the first


def test_a_password_that_is_revoked_meanwhile_is_tried_once_more_and_no_mail_is_charged(start_faulty_smtp):
    faults = {"auth": [None, *[reply("535 5.7.8 Revoked")] * 9], "content": slow(0.02)}
    server = start_faulty_smtp(pipelining=True, username="mailer", faults=faults)
    assert outcomes_of(run(DRIVER.send(mails(30), server_of(server)))) == {"sent"}
    assert (server.connections, server.count("AUTH")) == (2, 2)


@pytest.mark.parametrize("phase", ["greeting", "mail"])
@pytest.mark.parametrize("pipelining", [True, False])
def test_a_421_on_a_further_connection_only_shrinks_the_pool(start_faulty_smtp, phase, pipelining):
    """Some servers say so in the greeting, others only when the first mail comes."""
    too_many = reply("421 4.7.0 Too many connections")
    plan = [None, too_many] if phase == "greeting" else [None] * 40
    server = start_faulty_smtp(pipelining=pipelining, faults={"content": slow(0.02), phase: plan})
    if phase == "mail":
        server.fault_at = refusing_the_second_connection(server, too_many)
    results = run(DRIVER.send(mails(40), server_of(server)))
    assert outcomes_of(results) == {"sent"}
    assert len(server.mails) == 40
    assert server.connections == 2


def refusing_the_second_connection(server, fault):
    usual, begun = server.fault_at, []  # the tasks of the connections that have begun a mail

    def fault_at(phase):
        connection = asyncio.current_task()
        if phase == "mail" and connection not in begun:
            begun.append(connection)
            if len(begun) == 2:
                return fault
        return usual(phase)

    return fault_at


def test_a_server_that_cannot_be_reached_is_dialed_once_a_call(start_faulty_smtp):
    server = start_faulty_smtp(faults={"greeting": reply("554 5.3.2 Closed")})
    results = run(DRIVER.send(mails(50), server_of(server)))
    assert {type(result.error) for result in results} == {ConnectFailed}
    assert {result.code for result in results} == {554}
    assert server.connections == 1


# ---------------------------------------------------------------- broken conversations


@pytest.mark.parametrize("pipelining", [True, False])
def test_after_three_broken_conversations_the_rest_of_a_call_waits(start_faulty_smtp, pipelining):
    server = start_faulty_smtp(pipelining=pipelining, faults={"data": DROP})
    results = run(DRIVER.send(mails(50), server_of(server)))
    assert outcomes_of(results) == {"deferred"}
    assert {type(result.error) for result in results} == {ConversationBroken}
    assert server.connections == 3


def test_connections_that_break_together_count_as_one(start_faulty_smtp):
    """The server is restarted in the middle: whoever is there is thrown out, then it takes mails again."""
    faults = {"content": [*[slow(0.02)] * 20, *[together(4)] * 4]}
    server = start_faulty_smtp(pipelining=True, faults=faults)
    results = run(DRIVER.send(mails(80), server_of(server, max_connections=4)))
    assert [result.outcome for result in results].count("uncertain") == 4
    assert outcomes_of(results) == {"sent", "uncertain"}
    assert len(server.mails) == 76
