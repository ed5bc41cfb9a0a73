"""What is taken down of a conversation: of which mails, how much, and never anything that is secret."""

import base64
import pickle

import pytest

from mailadmin.api import Mail, send_many
from mailadmin.delivery import deliver
from mailadmin.drivers.base import Envelope
from mailadmin.transcript import FIRST_LINES, LAST_LINES
from maillog.content import transcripts
from maillog.models import Attempt, Message, Transcript
from tests.cases import case
from tests.mailadmin.drivers.smtp.smtp_sending import (
    ANN,
    BEN,
    MESSAGE,
    PASSWORD,
    assert_no_password,
    envelope,
    send,
    send_one,
)
from tests.smtp_faults import DROP, GARBAGE, HANG, FaultyServer, reply

REFUSED = reply("550 5.1.1 No such user")


def keeping(*recipients, **fields):
    plain = envelope(*recipients, **fields)
    return Envelope(**{name: getattr(plain, name) for name in plain.__slots__} | {"keeps_transcript": True})


def dialog(said):
    return [f"{who}: {text}" if who else text for who, text in said]


def phases(result):
    return [phase for phase, _milliseconds in result.transcript.phases]


@pytest.mark.parametrize("pipelining", [False, True])
def test_a_refused_recipient_leaves_the_whole_conversation(start_faulty_smtp, pipelining):
    server = start_faulty_smtp(
        tls="starttls", username="mailer", password=PASSWORD, pipelining=pipelining, faults={f"rcpt:{BEN}": REFUSED}
    )
    result = send_one(server, ANN, BEN)
    assert result.outcome == "partial"
    opening = dialog(result.transcript.opening)
    assert opening[0] == "S: 220 mx.test ESMTP"
    assert opening[1].startswith("C: EHLO ")
    assert "C: STARTTLS" in opening
    assert opening[-2:] == ["C: AUTH PLAIN [redacted]", "S: 235 2.7.0 Welcome"]
    assert dialog(result.transcript.lines) == [
        f"C: MAIL FROM:<shop@example.org> SIZE={len(MESSAGE)}",
        "S: 250 2.1.0 Sender OK",
        f"C: RCPT TO:<{ANN}>",
        "S: 250 2.1.5 Recipient OK",
        f"C: RCPT TO:<{BEN}>",
        "S: 550 5.1.1 No such user",
        "C: DATA",
        "S: 354 Go ahead",
        f"[{len(MESSAGE)} octets of mail, and the final dot]",
        "S: 250 2.0.0 Queued as 4F1",
    ]
    steps = ["resolve", "connect", "greeting", "ehlo", "tls", "ehlo", "auth", "mail", "rcpt", "data", "content"]
    assert phases(result) == steps
    assert all(milliseconds >= 0 for _phase, milliseconds in result.transcript.phases)
    assert b"Good day" in MESSAGE
    assert "Good day" not in repr(result.transcript)


@pytest.mark.parametrize("pipelining", [False, True])
def test_a_mail_that_simply_goes_out_leaves_none_unless_it_is_asked_for(start_faulty_smtp, pipelining):
    plain, kept = send(start_faulty_smtp(pipelining=pipelining), envelope(), keeping(number=2))
    assert (plain.outcome, plain.transcript) == ("sent", None)
    assert kept.outcome == "sent"
    assert dialog(kept.transcript.lines)[-1] == "S: 250 2.0.0 Queued as 4F1"


@pytest.mark.parametrize("pipelining", [False, True])
def test_a_later_mail_on_a_connection_tells_how_that_was_opened_but_does_not_count_it(start_faulty_smtp, pipelining):
    server = start_faulty_smtp(pipelining=pipelining, faults={f"rcpt:{BEN}": REFUSED})
    _first, second = send(server, envelope(), envelope(BEN, number=2), max_connections=1)
    said = second.transcript
    assert said.nth == 2
    assert dialog(said.opening)[0] == "S: 220 mx.test ESMTP"
    assert phases(second)[:1] == (["mail"] if pipelining else ["rset"])
    assert "S: 550 5.1.1 No such user" in dialog(said.lines)
    assert ("C: RSET" in dialog(said.lines)) or pipelining


def test_a_refused_mail_goes_on_to_the_end_of_what_had_been_sent_behind_it(start_faulty_smtp):
    server = start_faulty_smtp(pipelining=True, faults={"rcpt": REFUSED})
    lines = dialog(send_one(server).transcript.lines)
    assert lines[-4:] == ["C: DATA", "S: 554 5.5.1 No valid recipients", "C: RSET", lines[-1]]
    assert lines[-1].startswith("S: 250")


# ---------------------------------------------------------------- what is secret


def test_nothing_of_a_sign_in_is_taken_down_even_if_the_server_repeats_it():
    for echo in ["{line}", "no: {line}", "bad\r\n535 5.7.8 {line}"]:
        for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"]:
            text = "535-5.7.8 bad\r\n535 5.7.8 {line}" if "\r\n" in echo else f"535 5.7.8 {echo}"
            server = FaultyServer(
                username="mailer", password=PASSWORD, mechanisms=mechanism, faults={"auth": reply(text)}
            )
            with case(echo, mechanism), server:
                said = send_one(server).transcript
                told = "\n".join(dialog(said.lines))
                assert_no_password(told)
                assert base64.b64encode(b"mailer").decode() not in told
                for line in server.lines[1:]:
                    assert line.removeprefix("AUTH PLAIN ") not in told or line == f"AUTH {mechanism}"
                assert "[redacted]" in told
                assert phases_of(said)[-1] == "auth"


def phases_of(said):
    return [phase for phase, _milliseconds in said.phases]


def test_a_password_repeated_by_a_later_reply_is_struck_out_too(start_faulty_smtp):
    spelled = base64.b64encode(f"\0mailer\0{PASSWORD}".encode()).decode()
    faults = {"rcpt": reply(f"550 5.7.1 {PASSWORD} {spelled}")}
    said = send_one(start_faulty_smtp(username="mailer", password=PASSWORD, faults=faults)).transcript
    assert_no_password(repr(said))


def test_control_characters_of_a_server_are_taken_out(start_faulty_smtp):
    faults = {"greeting": reply("220 \x1b[31mred\x07"), "rcpt": reply("550 \x1b]0;title\x07 no\u202e")}
    said = send_one(start_faulty_smtp(faults=faults)).transcript
    told = "".join(dialog([*said.opening, *said.lines]))
    assert not any(ord(letter) < 32 or letter == "\u202e" for letter in told)


# ---------------------------------------------------------------- how much


def test_of_a_mail_with_many_recipients_the_middle_is_left_out(start_faulty_smtp):
    recipients = [f"p{number}@example.org" for number in range(100)]
    server = start_faulty_smtp(pipelining=True, faults={f"rcpt:{recipients[50]}": REFUSED})
    lines = dialog(send_one(server, *recipients).transcript.lines)
    assert len(lines) == FIRST_LINES + 1 + LAST_LINES
    assert lines[FIRST_LINES].endswith("lines left out]")
    assert lines[-1] == "S: 250 2.0.0 Queued as 4F1"


def test_a_long_line_is_cut(start_faulty_smtp):
    said = send_one(start_faulty_smtp(faults={"rcpt": reply("550 " + "x" * 3000)})).transcript
    assert max(len(text) for _who, text in said.lines) <= 300


# ---------------------------------------------------------------- where it breaks


def test_a_broken_conversation_ends_with_a_remark():
    for fault in [DROP, HANG, GARBAGE]:
        for phase in ["greeting", "ehlo", "mail", "rcpt", "data", "content"]:
            with case(fault, phase), FaultyServer(faults={phase: fault}) as server:
                result = send_one(server)
                assert phases(result)[-1] == phase
                assert result.transcript.lines[-1][0] == ""
                assert pickle.loads(pickle.dumps(result)).transcript == result.transcript


def test_a_refused_greeting_and_a_server_that_is_not_there_are_told(start_faulty_smtp):
    server = start_faulty_smtp(faults={"greeting": reply("554 5.3.2 Not here")})
    assert dialog(send_one(server).transcript.lines) == ["S: 554 5.3.2 Not here"]
    result = send_one(server, port=1025)
    assert phases(result) == ["resolve", "connect"]
    assert result.transcript.lines[-1][1] == result.reply


# ---------------------------------------------------------------- in the log


@pytest.mark.django_db(transaction=True)
def test_the_log_keeps_those_of_refused_and_of_test_mails(start_smtp, mail_settings):
    server = start_smtp()
    server.refuse("gone@example.com", "550 5.1.1 No such user")
    mail_settings(**server.fields, from_address="shop@example.com")
    mails = [
        Mail(to=[f"{name}@example.com"], subject="Hi", text="the secret body", mode="background")
        for name in ("ann", "gone", "ben")
    ]
    _ann, gone, ben = send_many(mails)
    Message.objects.filter(pk=ben).update(is_test=True)
    deliver.deliver_due()
    assert set(Transcript.objects.values_list("message_id", flat=True)) == {gone, ben}
    attempt = Attempt.objects.get(message_id=gone)
    said = transcripts.of_mail(gone)[attempt.started_at]
    assert ("S", "550 5.1.1 No such user") in said.lines
    assert "secret body" not in repr(transcripts.of_mail(ben))
    assert (server.fields["password"] or "none") not in repr(said)
