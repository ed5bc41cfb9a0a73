"""Several commands in one write (RFC 2920): every reply finds its own recipient and mail, whatever goes wrong."""

import asyncio
import socket
import time
from typing import Any

import pytest

from mailadmin.drivers.smtp.envelopes import dot_stuffed
from mailadmin.drivers.smtp.protocol import Conversation
from mailadmin.drivers.smtp.redactor import Redactor
from mailadmin.errors import ConversationBroken, DeliveryError
from tests.cases import case
from tests.mailadmin.drivers.smtp.smtp_sending import ANN, BEN, CY, MESSAGE, envelope, outcomes, send, timed
from tests.smtp_faults import DRIP, DROP, EOF, FLUSH, GARBAGE, HANG, FaultyServer, premature, raw, reply, slow

REPLIES = {"421": reply("421 4.3.2 Bye"), "451": reply("451 4.3.0 Later"), "550": reply("550 5.7.1 No")}
BREAKS = {"hang": HANG, "drop": DROP, "eof": EOF, "garbage": GARBAGE, "drip": DRIP}
FAULTS = REPLIES | BREAKS
PHASES = ["mail", "rcpt", "data", "content"]
SUBJECTS = [MESSAGE.replace(b"Hello", b"Number %d" % number) for number in range(4)]


def mail(number, *recipients):
    """A mail whose content tells which one it is."""
    return envelope(*(recipients or (ANN,)), number=number, content=SUBJECTS[number])


def send_pipelined(server, *mails, **changes):
    return send(server, *mails, **{"max_connections": 1, **changes})


@pytest.fixture
def start_pipelining(start_faulty_smtp):
    """Start a server that offers PIPELINING."""

    def start(**options):
        return start_faulty_smtp(pipelining=True, **options)

    return start


# ---------------------------------------------------------------- what leaves together


def test_an_envelope_leaves_at_once_and_the_next_one_behind_the_content(start_pipelining):
    server = start_pipelining()
    results = send_pipelined(server, mail(1, ANN, BEN), mail(2), mail(3))
    assert [result.outcome for result in results] == ["sent"] * 3
    assert [one.recipients for one in server.mails] == [(ANN, BEN), (ANN,), (ANN,)]
    assert [one.content for one in server.mails] == SUBJECTS[1:]
    assert server.pipelined == 3 + 3 + 3  # RCPT, RCPT, DATA; then twice MAIL, RCPT, DATA
    assert (server.connections, server.count("RSET")) == (1, 0)


def test_nothing_is_pipelined_where_it_is_not_offered(start_faulty_smtp):
    server = start_faulty_smtp()
    assert [result.outcome for result in send_pipelined(server, mail(1), mail(2))] == ["sent", "sent"]
    assert (server.pipelined, server.count("RSET")) == (0, 1)


def test_mails_are_pipelined_over_an_encrypted_connection():
    for tls in ["starttls", "ssl"]:
        with case(tls), FaultyServer(pipelining=True, tls=tls, username="mailer") as server:
            results = send_pipelined(server, mail(1), mail(2), mail(3))
            assert [result.outcome for result in results] == ["sent"] * 3
            assert (server.pipelined, server.connections) == (8, 1)


def test_a_content_of_more_than_one_write_is_followed_by_nothing(start_pipelining):
    server = start_pipelining()
    large = envelope(content=b"Subject: large\r\n\r\n" + b"y" * 70 + b"\r\n" * 35_000)
    assert [result.outcome for result in send_pipelined(server, large, mail(2))] == ["sent", "sent"]
    assert server.pipelined == 2 + 2


def test_two_mails_take_three_round_trips(start_pipelining, client_clock):
    """Each answer of the server takes a while; the envelopes' do not, as they are answered together."""
    server = start_pipelining(faults={"mail": slow(10.0)})
    (first, second), seconds = timed(server, mail(1), mail(2), max_connections=1)
    assert (first.outcome, second.outcome) == ("sent", "sent")
    assert 20 <= seconds < 28
    assert second.duration_ms < 18_000


# ---------------------------------------------------------------- refusals


def test_every_reply_finds_its_recipient(start_pipelining):
    faults = {f"rcpt:{BEN}": reply("550-5.1.1 No\r\n550 5.1.1 such user"), f"rcpt:{CY}": reply("451 4.2.1 Try later")}
    server = start_pipelining(faults=faults)
    first, second = send_pipelined(server, mail(1, CY, ANN, BEN), mail(2, ANN, CY))
    assert (first.outcome, outcomes(first)) == ("partial", {CY: "deferred", ANN: "accepted", BEN: "refused"})
    assert (first.recipients[BEN].code, first.recipients[BEN].reply) == (550, "No such user")
    assert (second.outcome, outcomes(second)) == ("partial", {ANN: "accepted", CY: "deferred"})
    assert server.connections == 1


def test_a_recipient_who_is_named_twice_and_taken_once_has_got_the_mail(start_pipelining):
    server = start_pipelining(faults={"rcpt": [None, REPLIES["550"]]})
    (result,) = send_pipelined(server, mail(1, ANN, ANN))
    assert (result.outcome, outcomes(result), len(server.mails)) == ("sent", {ANN: "accepted"}, 1)


def test_a_refused_mail_does_not_touch_the_one_behind_it():
    for refusal in [REPLIES["550"], REPLIES["451"]]:
        with case(refusal), FaultyServer(pipelining=True, faults={"mail": [None, refusal]}) as server:
            first, second, third = send_pipelined(server, mail(1), mail(2, ANN, BEN), mail(3, BEN))
            assert (first.outcome, third.outcome) == ("sent", "sent")
            assert (second.outcome, second.phase) == ("failed" if refusal == REPLIES["550"] else "deferred", "mail")
            assert f"{second.code} {second.enhanced_code} {second.reply}" == refusal.text
            assert type(second.error) is DeliveryError
            assert set(outcomes(second)) == {ANN, BEN}
            assert (server.connections, server.count("RSET")) == (1, 1)
            assert server.pipelined == 2 + 4 + 3  # the third one leaves together with RSET, which comes first


def test_a_354_after_all_recipients_were_refused_is_answered_by_a_lone_dot_at_nobodys_expense():
    for fault in FAULTS:
        faults = {"rcpt": [None, REPLIES["550"], REPLIES["451"]], "dot": FAULTS[fault]}
        options: dict[str, Any] = {"data_without_recipients": "354 Go ahead", "faults": faults}
        with case(fault), FaultyServer(pipelining=True, **options) as server:
            first, second, third = send_pipelined(server, mail(1), mail(2, BEN, CY), mail(3))
            assert (first.outcome, third.outcome) == ("sent", "sent")
            assert (second.outcome, second.phase, second.code) == ("deferred", "rcpt", 451)
            assert outcomes(second) == {BEN: "refused", CY: "deferred"}
            assert server.contents == [SUBJECTS[1], b"", SUBJECTS[3]]
            assert server.connections == (1 if fault in ("451", "550") else 2)


def test_a_354_after_a_refused_mail_is_answered_by_a_lone_dot(start_pipelining):
    server = start_pipelining(data_without_recipients="354 Go ahead", faults={"mail": [REPLIES["550"]]})
    first, second = send_pipelined(server, mail(1), mail(2))
    assert (first.outcome, first.phase, second.outcome) == ("failed", "mail", "sent")
    assert (server.contents, server.connections) == ([b"", SUBJECTS[2]], 1)


def test_a_refusal_that_was_heard_stands_although_the_connection_ends():
    """`rcpt` is refused, and then the rest of the replies do not come."""
    for phase in ["rset", "data-reply"]:
        for fault in BREAKS:
            options: dict[str, Any] = {"faults": {"rcpt": [REPLIES["550"]], "rset": [BREAKS[fault]]}}
            if phase == "data-reply":
                options["faults"]["dot"] = BREAKS[fault]
                options["data_without_recipients"] = "354 x"
            with case(phase, fault), FaultyServer(pipelining=True, **options) as server:
                first, second = send_pipelined(server, mail(1), mail(2))
                assert (first.outcome, first.code, first.phase) == ("failed", 550, "rcpt")
                assert (second.outcome, server.connections) == ("sent", 2)


# ---------------------------------------------------------------- every fault at every phase, one mail behind another


def test_trouble_during_a_mail_spares_the_one_whose_envelope_is_behind_it():
    for fault in FAULTS:
        for phase in PHASES:
            with case(fault, phase), FaultyServer(pipelining=True, faults={phase: [FAULTS[fault]]}) as server:
                first, second = send_pipelined(server, mail(1, ANN), mail(2, BEN))
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
                assert (second.outcome, outcomes(second)) == ("sent", {BEN: "accepted"})
                assert [one.content for one in server.mails] == [SUBJECTS[2]]


def test_trouble_during_a_mail_behind_another_is_charged_to_it_only_once_it_has_begun():
    for fault in FAULTS:
        for phase in PHASES:
            with case(fault, phase), FaultyServer(pipelining=True, faults={phase: [None, FAULTS[fault]]}) as server:
                first, second, third = send_pipelined(server, mail(1, ANN), mail(2, BEN), mail(3, CY))
                assert (first.outcome, third.outcome) == ("sent", "sent")
                is_refused = fault in ("451", "550")
                if phase == "mail" and not is_refused:
                    assert (second.outcome, outcomes(second)) == ("sent", {BEN: "accepted"})
                    assert [one.content for one in server.mails] == SUBJECTS[1:]
                else:
                    lost_at_the_end = phase == "content" and fault in BREAKS
                    expected = "failed" if fault == "550" else "uncertain" if lost_at_the_end else "deferred"
                    assert (second.outcome, second.phase) == (expected, phase)
                    assert second.error.uncertain == lost_at_the_end if second.error.phase == "content" else True
                    assert [one.content for one in server.mails] == [SUBJECTS[1], SUBJECTS[3]]
                assert server.connections == (1 if is_refused else 2)


def test_what_is_lost_with_two_mails_on_the_way_is_the_first_ones_answer_alone():
    for fault in BREAKS:
        with case(fault), FaultyServer(pipelining=True, faults={"content": [None, BREAKS[fault]]}) as server:
            results = send_pipelined(server, mail(1), mail(2), mail(3))
            assert [result.outcome for result in results] == ["sent", "uncertain", "sent"]
            assert server.contents == SUBJECTS[1:]


def test_a_421_for_the_second_of_three_recipients_defers_the_mail_and_keeps_what_is_final(start_pipelining):
    server = start_pipelining(faults={"rcpt": [None, REPLIES["550"], REPLIES["421"]]})
    first, second, third = send_pipelined(server, mail(1), mail(2, ANN, BEN, CY), mail(3))
    assert (second.outcome, second.code, second.phase) == ("deferred", 421, "rcpt")
    assert outcomes(second) == {ANN: "refused", BEN: "deferred", CY: "deferred"}
    assert (first.outcome, third.outcome) == ("sent", "sent")


# ---------------------------------------------------------------- replies out of step


def test_a_reply_too_many_is_not_charged_to_the_mail_behind():
    """Ben does not exist. Every reply after the stray one seems to answer the command before its own."""
    for recipients in [(ANN,), (ANN, BEN), (BEN, ANN), (BEN,)]:
        for stray in ["250 2.0.0 stray", "354 stray", "451 4.0.0 stray", "550 5.0.0 stray", "220 stray"]:
            faults: dict[str, Any] = {
                "content": [raw(f"250 2.0.0 Taken\r\n{stray}\r\n")],
                f"rcpt:{BEN}": REPLIES["550"],
            }
            with case(recipients, stray), FaultyServer(pipelining=True, faults=faults) as server:
                first, second, third = send_pipelined(server, mail(1, CY), mail(2, *recipients), mail(3, CY))
                assert (first.outcome, first.reply, third.outcome) == ("sent", "Taken", "sent")
                assert outcomes(second) == {each: "accepted" if each == ANN else "refused" for each in recipients}
                assert second.recipients[recipients[-1]].code == (250 if recipients[-1] == ANN else 550)


def test_a_reply_too_many_before_the_first_mail_puts_it_off_and_fails_nobody():
    for said in ["550 5.0.0 stray", "250 2.0.0 stray\r\n550 5.0.0 stray"]:
        with case(said), FaultyServer(pipelining=True, faults={"mail": [premature(said)]}) as server:
            first, second = send_pipelined(server, mail(1), mail(2))
            assert (first.outcome, outcomes(first)) == ("deferred", {ANN: "deferred"})
            assert (second.outcome, server.connections) == ("sent", 2)


def test_a_refusal_after_which_rset_fails_is_asked_for_again_on_another_connection():
    """It may have been the answer to something earlier."""
    for refused_by in ["503 5.5.1 Not now", "354 Go ahead"]:
        faults = {f"rcpt:{BEN}": [REPLIES["550"], REPLIES["451"]], "rset": [reply(refused_by)]}
        with case(refused_by), FaultyServer(pipelining=True, faults=faults) as server:
            first, second, third = send_pipelined(server, mail(1), mail(2, BEN), mail(3))
            assert (first.outcome, third.outcome) == ("sent", "sent")
            assert (second.outcome, second.code, outcomes(second)) == ("deferred", 451, {BEN: "deferred"})
            assert server.connections == 2


def test_what_is_said_after_a_refused_rset_is_not_charged_to_the_mail_behind(start_pipelining):
    faults = {f"rcpt:{BEN}": REPLIES["550"], f"rcpt:{CY}": [REPLIES["451"]], "rset": [reply("503 5.5.1 Not now")]}
    server = start_pipelining(faults=faults)
    first, second = send_pipelined(server, mail(1, BEN), mail(2, CY))
    assert (first.outcome, first.code) == ("failed", 550)
    assert (second.outcome, server.connections) == ("sent", 2)


def test_a_server_that_overlooks_what_is_behind_a_command_gets_one_at_a_time_from_then_on(start_pipelining):
    server = start_pipelining(faults={"mail": [FLUSH]})
    first, second, third = send_pipelined(server, mail(1), mail(2), mail(3))
    assert (first.outcome, first.phase, type(first.error)) == ("deferred", "rcpt", ConversationBroken)
    assert (second.outcome, third.outcome) == ("sent", "sent")
    assert (server.connections, server.pipelined) == (2, 0)


def test_a_server_that_overlooks_what_is_behind_a_content_loses_no_mail(start_pipelining):
    server = start_pipelining(faults={"content": FLUSH})
    results = send_pipelined(server, mail(1), mail(2), mail(3))
    assert [result.outcome for result in results] == ["sent"] * 3
    assert [one.content for one in server.mails] == SUBJECTS[1:]
    assert (server.connections, server.pipelined) == (2, 2)


# ---------------------------------------------------------------- what was left in the buffer


def ended_with(content, behind):
    """Say `content` and `behind` to a server that reads nothing and then goes; return the error and what it got."""

    async def run():
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        transport, _protocol = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        conversation = Conversation(transport, Redactor("", ""))
        transport.set_protocol(conversation)
        with pytest.raises(ConversationBroken) as caught:
            await conversation.send_content(
                content, 0.1, progress_seconds=0.1, deadline=time.monotonic() + 5, behind=behind, replies_behind=3
            )
        received = b""
        theirs.setblocking(False)
        with theirs:
            while more := await asyncio.get_running_loop().sock_recv(theirs, 65536):
                received += more
        return caught.value, received

    return asyncio.run(run())


def test_a_mail_whose_final_dot_waits_in_the_buffer_is_not_uncertain():
    content, behind = dot_stuffed(b"Subject: x\r\n\r\n" + b"y\r\n" * 20_000), b"MAIL FROM:<>\r\n"
    error, received = ended_with(content, behind)
    assert not error.uncertain
    assert 0 < len(received) < len(content)


def test_a_mail_is_uncertain_where_only_what_is_behind_it_waits_in_the_buffer():
    content, behind = dot_stuffed(b"Subject: x\r\n\r\n"), b"RCPT TO:<somebody@example.org>\r\n" * 20_000
    error, received = ended_with(content, behind)
    assert error.uncertain
    assert len(content) < len(received) < len(content + behind)
