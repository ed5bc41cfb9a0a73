"""The smtp driver against servers that misbehave: every fault at every phase, surprises, giving up."""

import asyncio
import socket
import time

import pytest

from mailadmin.drivers.smtp.driver import SmtpDriver
from mailadmin.drivers.smtp.envelopes import dot_stuffed
from mailadmin.drivers.smtp.protocol import Conversation
from mailadmin.drivers.smtp.redactor import Redactor
from mailadmin.errors import ConnectFailed, ConversationBroken, DeliveryError, SignInRefused, TLSFailed
from tests import patience
from tests.cases import case
from tests.mailadmin.drivers.smtp.smtp_sending import (
    ANN,
    BEN,
    CY,
    TIMEOUT,
    connection_to,
    envelope,
    outcomes,
    send,
    send_one,
    timed,
)
from tests.smtp_faults import DRIP, DROP, EOF, GARBAGE, HANG, HELD, FaultyServer, raw, reply, slow

# ---------------------------------------------------------------- every fault at every phase

REPLIES = {"421": reply("421 4.3.2 Bye"), "451": reply("451 4.3.0 Later"), "550": reply("550 5.7.1 No")}
BREAKS = {"hang": HANG, "drop": DROP, "eof": EOF, "garbage": GARBAGE, "drip": DRIP}
FAULTS = REPLIES | BREAKS
ON_THE_WAY = {
    "greeting": (ConnectFailed, "greeting"),
    "ehlo": (ConversationBroken, "ehlo"),
    "starttls": (TLSFailed, "tls"),
    "auth": (ConversationBroken, "auth"),
}
REFUSED_AS = {"greeting": ConnectFailed, "ehlo": ConnectFailed, "starttls": TLSFailed, "auth": SignInRefused}


def test_trouble_before_the_first_mail_defers_all_mails():
    for phase in ON_THE_WAY:
        for fault in FAULTS:
            faults = {phase: FAULTS[fault]}
            with case(phase, fault), FaultyServer(tls="starttls", username="mailer", faults=faults) as server:
                results, seconds = timed(server, envelope(ANN, BEN, number=1), envelope(CY, number=2))
                assert seconds <= 4 * TIMEOUT
                kind, named = ON_THE_WAY[phase]
                if fault in REPLIES:
                    kind = ConnectFailed if fault == "421" else REFUSED_AS[phase]
                for result in results:
                    assert (result.outcome, set(outcomes(result).values())) == ("deferred", {"deferred"})
                    assert (type(result.error), result.phase) == (kind, named)
                    assert result.error.permanent == (fault == "550")
                    assert result.code == (int(fault) if fault in REPLIES else None)
                    assert result.reply
                assert server.mails == []


def test_the_time_until_nobody_answered_is_recorded(start_faulty_smtp):
    server = start_faulty_smtp(faults={"greeting": HANG})
    to = connection_to(timeout=0.3, **server.fields)
    first, second = asyncio.run(SmtpDriver().send([envelope(ANN, number=1), envelope(BEN, number=2)], to))
    assert first.duration_ms >= 270
    assert second.duration_ms < first.duration_ms, "it was known by then"


def test_trouble_in_the_handshake_defers_the_mail():
    for tls in ["starttls", "ssl"]:
        for fault in ["hang", "drop", "eof"]:
            with case(tls, fault), FaultyServer(tls=tls, faults={"handshake": BREAKS[fault]}) as server:
                result = send_one(server)
                assert (result.outcome, type(result.error), result.phase) == ("deferred", TLSFailed, "tls")
                assert not result.error.permanent


def test_trouble_during_a_mail_is_charged_to_that_mail_alone():
    """The first mail meets the fault; the second one, on the same or a new connection, is delivered."""
    for phase in ["mail", "rcpt", "data", "content"]:
        for fault in FAULTS:
            with case(phase, fault), FaultyServer(faults={phase: [FAULTS[fault]]}) as server:
                first, second = send(server, envelope(ANN, number=1), envelope(BEN, number=2))
                lost_at_the_end = phase == "content" and fault in BREAKS
                expected = "failed" if fault == "550" else "uncertain" if lost_at_the_end else "deferred"
                assert (first.outcome, first.phase) == (expected, phase)
                assert outcomes(first) == {ANN: {"failed": "refused"}.get(expected, expected)}
                if fault in BREAKS or fault == "421":
                    assert type(first.error) is ConversationBroken
                    assert first.error.uncertain == lost_at_the_end
                    assert server.connections == 2
                else:
                    assert type(first.error) is DeliveryError
                    assert server.connections == 1
                assert first.error.permanent == (fault == "550")
                assert (second.outcome, outcomes(second)) == ("sent", {BEN: "accepted"})
                assert [mail.recipients for mail in server.mails] == [(BEN,)]


def test_trouble_with_rset_costs_no_mail():
    for fault in FAULTS:
        with case(fault), FaultyServer(faults={"rset": FAULTS[fault]}) as server:
            results = send(server, envelope(ANN, number=1), envelope(BEN, number=2))
            assert [result.outcome for result in results] == ["sent", "sent"]
            assert [mail.recipients for mail in server.mails] == [(ANN,), (BEN,)]
            assert server.connections == 2


def test_trouble_with_quit_changes_nothing():
    for fault in FAULTS:
        with case(fault), FaultyServer(faults={"quit": FAULTS[fault]}) as server:
            assert send_one(server).outcome == "sent"
            assert len(server.mails) == 1


def test_a_421_for_the_second_of_three_recipients_defers_the_mail_and_keeps_what_is_final(start_faulty_smtp):
    server = start_faulty_smtp(faults={"rcpt": [reply("550 5.1.1 No"), reply("421 4.3.2 Bye")]})
    result = send_one(server, ANN, BEN, CY)
    assert (result.outcome, result.code, result.phase) == ("deferred", 421, "rcpt")
    assert outcomes(result) == {ANN: "refused", BEN: "deferred", CY: "deferred"}


def test_a_lost_answer_after_the_final_dot_is_uncertain_only_for_those_who_were_taken(start_faulty_smtp):
    faults = {"content": DROP, f"rcpt:{BEN}": reply("550 5.1.1 No"), f"rcpt:{CY}": reply("451 4.2.0 Later")}
    server = start_faulty_smtp(faults=faults)
    result = send_one(server, ANN, BEN, CY)
    assert (result.outcome, result.phase) == ("uncertain", "content")
    assert outcomes(result) == {ANN: "uncertain", BEN: "refused", CY: "deferred"}
    assert len(server.contents) == 1


# ---------------------------------------------------------------- surprises on the line


def test_an_unasked_reply_is_not_charged_to_the_next_mail(start_faulty_smtp):
    server = start_faulty_smtp(faults={"content": [raw("250 2.0.0 Taken\r\n550 5.0.0 stray\r\n")]})
    first, second = send(server, envelope(ANN, number=1), envelope(BEN, number=2))
    assert (first.outcome, first.reply) == ("sent", "Taken")
    assert (second.outcome, outcomes(second)) == ("sent", {BEN: "accepted"})
    assert server.connections == 2


def test_a_connection_closed_between_two_mails_is_replaced_silently(start_faulty_smtp):
    server = start_faulty_smtp(faults={"mail": [None, EOF]})
    results = send(server, envelope(ANN, number=1), envelope(BEN, number=2))
    assert [result.outcome for result in results] == ["sent", "sent"]
    assert server.connections == 2


def test_after_three_broken_conversations_the_rest_waits(start_faulty_smtp):
    server = start_faulty_smtp(faults={"data": DROP})
    results = send(server, *(envelope(number=number) for number in range(10)))
    assert [result.outcome for result in results] == ["deferred"] * 10
    assert server.connections == 3


def test_replies_are_kept_short_and_without_control_characters(start_faulty_smtp):
    said = "250-2.0.0 first\x1b[31m\r\n250-2.0.0 second\x00\u202e\r\n250 2.0.0 " + "x" * 3000
    result = send_one(start_faulty_smtp(faults={"content": reply(said)}))
    assert result.outcome == "sent"
    assert len(result.reply) == 1000
    assert result.reply.startswith("first [31m second")
    assert result.reply.isprintable()


def test_what_is_no_answer_breaks_the_conversation_and_defers_the_mail():
    for said in [
        "250-one\r\n550 two\r\n",
        "2500 long code\r\n",
        "999 no such class\r\n",
        "350 out of place\r\n",
        "x" * 9000,
        "250-" + "y" * 7000 + "\r\n" + ("250-" + "z" * 7000 + "\r\n") * 5,
    ]:
        with case(said), FaultyServer(faults={"mail": [raw(said)]}) as server:
            first, second = send(server, envelope(number=1), envelope(BEN, number=2))
            assert (first.outcome, type(first.error)) == ("deferred", ConversationBroken)
            assert second.outcome == "sent"


def test_another_kind_of_server_is_told_from_a_mail_server(start_faulty_smtp):
    result = send_one(start_faulty_smtp(faults={"greeting": raw("SSH-2.0-OpenSSH_9.6\r\n")}))
    assert (result.outcome, type(result.error)) == ("deferred", ConnectFailed)
    assert "SSH-2.0-OpenSSH_9.6" in result.reply


# ---------------------------------------------------------------- giving up


def test_a_mail_given_up_while_it_is_sent_is_never_completed(start_faulty_smtp):
    """The server reads late; what it has not got by then must not be flushed to it afterwards."""
    server = start_faulty_smtp(faults={"reading": HELD}, offers=())
    content = b"Subject: big\r\n\r\n" + (b"y" * 76 + b"\r\n") * 300_000

    async def cancelled():
        to = connection_to(timeout=TIMEOUT, **server.fields)
        task = asyncio.create_task(SmtpDriver().send([envelope(content=content)], to))
        await asyncio.sleep(2.0)  # by a clock that goes on when nothing more can be written
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    patience.run(cancelled())
    server.let_go()
    deadline = time.monotonic() + 60
    while server._tasks:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert server.count("DATA") == 1
    assert server.contents == []
    assert server.mails == []


def test_a_mail_has_a_deadline_beside_the_time_of_each_step(start_faulty_smtp, client_clock):
    """Each recipient's answer takes less than the timeout, all together far longer than a mail may take."""
    people = [f"person{number}@example.org" for number in range(40)]
    server = start_faulty_smtp(faults={"rcpt": slow(10.0)})
    (result,), seconds = timed(server, envelope(*people))
    assert 6 * TIMEOUT <= seconds <= 8 * TIMEOUT  # six timeouts and one for the answer to the content
    assert 5 < server.count("RCPT") < 40
    assert (result.outcome, type(result.error)) == ("deferred", ConversationBroken)
    assert set(outcomes(result).values()) == {"deferred"}


def test_without_a_server_the_caller_is_at_fault():
    with pytest.raises(ValueError, match="connection"):
        asyncio.run(SmtpDriver().send([envelope()], None))


def test_a_server_that_stops_reading_in_the_middle_defers_the_mail_for_certain(start_faulty_smtp):
    """The final dot has not left, so nothing is uncertain."""
    server = start_faulty_smtp(faults={"reading": HANG}, offers=())
    content = b"Subject: big\r\n\r\n" + (b"y" * 76 + b"\r\n") * 300_000
    (result,) = send(server, envelope(content=content))
    assert (result.outcome, result.phase, type(result.error)) == ("deferred", "content", ConversationBroken)


def test_what_waits_in_the_buffer_of_a_conversation_that_ends_never_leaves():
    """A mail small enough to be written at once, to a server that takes only a part of it and then reads on."""

    async def ended():
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        transport, _protocol = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        conversation = Conversation(transport, Redactor("", ""))
        transport.set_protocol(conversation)
        content = dot_stuffed(b"Subject: x\r\n\r\n" + b"y\r\n" * 20_000)
        with pytest.raises(ConversationBroken) as caught:
            await conversation.send_content(content, 0.1, progress_seconds=0.1, deadline=time.monotonic() + 5)
        assert not caught.value.uncertain
        received = b""
        theirs.setblocking(False)
        with theirs:
            while more := await asyncio.get_running_loop().sock_recv(theirs, 65536):
                received += more
        return received, content

    received, content = asyncio.run(ended())
    assert content.startswith(received)
    assert 0 < len(received) < len(content)


def test_the_answer_to_the_final_dot_may_be_given_more_time(start_faulty_smtp):
    server = start_faulty_smtp(faults={"content": slow(2 * TIMEOUT)})
    assert send_one(server, content_timeout=4 * TIMEOUT).outcome == "sent"
    assert send_one(server).outcome == "uncertain"
