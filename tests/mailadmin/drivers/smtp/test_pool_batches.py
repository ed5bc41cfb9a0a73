"""Connections that are kept between calls, several callers at a time, and the end."""

import asyncio
import os
import signal
import time

import pytest

from mailadmin import errors
from mailadmin.drivers import event_loop
from mailadmin.drivers.smtp import pool, pool_connection
from mailadmin.errors import SignInRefused
from tests.mailadmin.drivers.smtp.pool_sending import DRIVER, mails, outcomes_of, run, server_of, until
from tests.mailadmin.drivers.smtp.smtp_sending import ANN, envelope
from tests.smtp_faults import DROP, EOF, HANG, HELD, reply, slow, stray

pytestmark = pytest.mark.usefixtures("client_clock")

# ---------------------------------------------------------------- between calls


def test_a_connection_stays_open_between_calls_and_says_goodbye_when_it_has_rested(start_faulty_smtp, monkeypatch):
    monkeypatch.setattr(pool_connection, "IDLE_SECONDS", 0.3)
    server = start_faulty_smtp(pipelining=True)

    async def go():
        to = server_of(server)
        for number in range(3):
            assert outcomes_of(await DRIVER.send(mails(1, first=number), to)) == {"sent"}
            await asyncio.sleep(0.05)
        assert (server.connections, server.count("QUIT")) == (1, 0)
        await until(lambda: server.count("QUIT") == 1)
        await until(lambda: not pool._pools[asyncio.get_running_loop()])  # nothing of it is kept
        assert outcomes_of(await DRIVER.send(mails(1), to)) == {"sent"}
        assert server.connections == 2

    run(go())


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("fault", [EOF, DROP, HANG, reply("421 4.4.2 Too late")])
def test_a_connection_that_died_while_it_rested_is_replaced_and_no_mail_is_blamed(start_faulty_smtp, fault, pipelining):
    server = start_faulty_smtp(pipelining=pipelining, faults={"mail": [None, fault]})

    async def go():
        to = server_of(server)
        for number in range(2):
            (result,) = await DRIVER.send(mails(1, first=number), to)
            assert (result.outcome, result.error) == ("sent", None)

    run(go())
    assert server.connections == 2


def test_when_one_connection_died_unnoticed_the_others_that_rest_are_not_trusted(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True, faults={"content": slow(0.02)})
    usual = server.fault_at

    async def go():
        to = server_of(server, max_connections=3)
        await DRIVER.send(mails(40), to)
        assert server.connections == 3
        server.fault_at = lambda phase: HANG if phase == "mail" and server.connections == 3 else usual(phase)
        return await DRIVER.send(mails(1), to)

    assert outcomes_of(run(go())) == {"sent"}
    assert (server.connections, server.count("QUIT")) == (4, 3)


def test_a_connection_on_which_something_is_said_while_it_rests_is_not_used_again(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True, faults={"content": [stray("421 4.4.2 Too slow")]})

    async def go():
        assert outcomes_of(await DRIVER.send(mails(1), server_of(server))) == {"sent"}
        await asyncio.sleep(0.05)
        assert outcomes_of(await DRIVER.send(mails(1), server_of(server))) == {"sent"}

    run(go())
    assert (server.connections, server.count("MAIL")) == (2, 2)


def test_a_connection_that_the_server_closes_while_it_rests_is_gone_at_once(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True)

    async def go():
        to = server_of(server)
        await DRIVER.send(mails(1), to)
        server._loop.call_soon_threadsafe(lambda: [task.cancel() for task in server._tasks])
        await until(lambda: not pool._pools[asyncio.get_running_loop()])
        assert outcomes_of(await DRIVER.send(mails(1), to)) == {"sent"}

    run(go())
    assert (server.connections, server.count("MAIL")) == (2, 2)


def test_a_changed_password_makes_a_new_connection(start_faulty_smtp):
    server = start_faulty_smtp(username="mailer")

    async def go():
        assert outcomes_of(await DRIVER.send(mails(1), server_of(server))) == {"sent"}
        (result,) = await DRIVER.send(mails(1), server_of(server, password="another"))
        assert type(result.error) is SignInRefused
        assert outcomes_of(await DRIVER.send(mails(1), server_of(server, content_timeout=9.0))) == {"sent"}

    run(go())
    assert server.connections == 2


# ---------------------------------------------------------------- several callers


def test_a_short_call_does_not_wait_for_a_long_one(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True, faults={"content": slow(0.01)})
    order = []

    async def go():
        to = server_of(server, max_connections=1)
        many = asyncio.create_task(DRIVER.send(mails(40), to, on_result=lambda mail, _result: order.append(mail.id)))
        await until(lambda: len(order) >= 5)
        await DRIVER.send(mails(3, first=100), to, on_result=lambda mail, _result: order.append(mail.id))
        assert not many.done()
        await many

    run(go())
    assert order.index(102) < 20
    assert len(order) == 43


def test_a_cancelled_call_takes_its_own_mails_back_and_no_others(start_faulty_smtp):
    """When it is cancelled, the recipients of one of its mails have been named behind another call's content."""
    server = start_faulty_smtp(pipelining=True, faults={"content": slow(0.05)})
    content = b"Subject: of the other call\r\n\r\n"

    async def go():
        to = server_of(server, max_connections=1)
        given_up = asyncio.create_task(DRIVER.send(mails(30), to))
        await until(lambda: server.mails)
        kept = asyncio.create_task(
            DRIVER.send([envelope(f"person{number}@example.org", content=content) for number in range(100, 105)], to)
        )
        await until(lambda: server.contents[-1] == content)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        return await kept

    assert outcomes_of(run(go())) == {"sent"}
    others = [mail.recipients[0] for mail in server.mails if mail.content == content]
    assert others == [f"person{number}@example.org" for number in range(100, 105)]
    own = [mail.recipients[0] for mail in server.mails if mail.content != content]
    assert own == [f"person{number}@example.org" for number in range(1, len(own) + 1)]
    assert len(own) < 6


def test_a_mail_that_is_given_up_says_nothing_about_the_server(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True, faults={"content": [HANG]})

    async def go():
        to = server_of(server, max_connections=1)
        given_up = asyncio.create_task(DRIVER.send(mails(1), to))
        await until(lambda: server.contents)
        given_up.cancel()
        return await DRIVER.send(mails(2, first=2), to)

    assert outcomes_of(run(go())) == {"sent"}
    assert (server.connections, server.pipelined) == (2, 2 + 5)


def test_a_mail_that_is_behind_two_bad_ones_in_turn_is_not_blamed(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True, faults={"content": [DROP, DROP]})

    async def go():
        to = server_of(server, max_connections=1)
        return await asyncio.gather(DRIVER.send(mails(2), to), DRIVER.send(mails(2, first=10), to))

    bad, good = run(go())
    assert [result.outcome for result in bad] == ["uncertain", "uncertain"]
    assert [result.outcome for result in good] == ["sent", "sent"]


def test_a_mail_that_ends_every_connection_is_blamed_the_second_time(start_faulty_smtp):
    faults = {"content": slow(0.02), "greeting": [None] * 4 + [slow(0.2)] * 4}
    server = start_faulty_smtp(pipelining=True, faults=faults)
    usual = server.fault_at

    def fault_at(phase):
        return DROP if phase == "mail" and "poison" in server.lines[-1] else usual(phase)

    server.fault_at = fault_at
    poison = envelope(ANN, number=99, sender="poison@example.org")
    results = run(DRIVER.send([*mails(20), poison, *mails(20, first=21)], server_of(server, max_connections=4)))
    assert [result.outcome for result in results].count("sent") == 40
    assert (results[20].outcome, results[20].phase) == ("deferred", "mail")
    assert server.count("MAIL FROM:<poison") == 2


def test_a_mistake_of_one_caller_costs_no_result_and_the_others_nothing(start_faulty_smtp, caplog):
    server = start_faulty_smtp(pipelining=True)

    def fail(_mail, _result):
        raise ZeroDivisionError

    async def go():
        to = server_of(server, max_connections=1)
        return await asyncio.gather(
            DRIVER.send(mails(5), to, on_result=fail), DRIVER.send(mails(5, first=10), to), return_exceptions=True
        )

    for results in run(go()):
        assert outcomes_of(results) == {"sent"}
    assert caplog.text.count("could not be reported") == 5


def test_a_mail_that_cannot_be_handed_over_costs_no_connection_its_order(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True)
    broken = envelope(ANN, number=2, content=b"bare\nline ends\n")
    results = run(DRIVER.send([*mails(1), broken, *mails(1, first=3)], server_of(server, max_connections=1)))
    assert [result.outcome for result in results] == ["sent", "failed", "sent"]
    assert (server.connections, server.pipelined) == (1, 5)


# ---------------------------------------------------------------- the end


def test_closing_from_another_thread_lets_the_mail_under_way_finish_and_says_goodbye(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True, faults={"content": HELD})
    to, told = server_of(server, max_connections=1), []
    call = DRIVER.send(mails(20), to, on_result=lambda _mail, result: told.append(result))
    sending = asyncio.run_coroutine_threadsafe(call, event_loop.process_loop())
    wait_for(lambda: server.contents)
    closing = asyncio.run_coroutine_threadsafe(pool.close_all(60), event_loop.process_loop())
    wait_for(lambda: told)  # that of the first one it was decided not to begin
    assert not closing.done()
    server.let_go()
    closing.result(60)
    results = sending.result(60)
    assert [result.outcome for result in results[:2]] == ["sent", "sent"]  # the second was named behind the first
    assert {type(result.error) for result in results[2:]} == {errors.Stopped}
    assert len(server.mails) == 2
    assert server.count("QUIT") == 1
    assert event_loop.run(DRIVER.send(mails(1), to))[0].outcome == "sent"
    event_loop.run(pool.close_all())


def test_closing_while_a_further_connection_is_dialed_forgets_no_mail_that_is_under_way(start_faulty_smtp):
    """Met with workers that were stopped under load: their dial was given up, and the mails under way with it."""
    server = start_faulty_smtp(pipelining=True, faults={"content": HELD, "greeting": [None, HANG]})
    to = server_of(server, max_connections=2, timeout=3.0)
    sending = asyncio.run_coroutine_threadsafe(DRIVER.send(mails(20), to), event_loop.process_loop())
    wait_for(lambda: server.contents and server.connections == 2)
    closing = asyncio.run_coroutine_threadsafe(pool.close_all(60), event_loop.process_loop())
    time.sleep(0.2)
    server.let_go()
    closing.result(60)
    results = sending.result(60)
    assert [result.outcome for result in results[:2]] == ["sent", "sent"]
    assert {type(result.error) for result in results[2:]} == {errors.Stopped}
    assert len(server.mails) == 2


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_closing_takes_no_longer_than_it_may(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True, faults={"content": HANG})

    async def go():
        sending = asyncio.create_task(DRIVER.send(mails(5), server_of(server, max_connections=1)))
        await until(lambda: server.contents)
        clock = asyncio.get_running_loop().time
        began = clock()
        await pool.close_all(0.2)
        assert 0.2 <= clock() - began < 0.5
        return await sending

    first, *others = run(go())
    assert first.outcome == "uncertain"
    assert outcomes_of(others) == {"deferred"}


def test_a_forked_process_makes_connections_of_its_own(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True)
    to = server_of(server)
    assert event_loop.run(DRIVER.send(mails(1), to))[0].outcome == "sent"
    child = os.fork()
    if not child:
        signal.alarm(60)
        os._exit(int(event_loop.run(DRIVER.send(mails(1, first=2), to))[0].outcome != "sent"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert event_loop.run(DRIVER.send(mails(1, first=3), to))[0].outcome == "sent"
    event_loop.run(pool.close_all())
    assert (server.connections, len(server.mails)) == (2, 3)
