"""The smtp driver against real servers: what arrives, and what is said of each recipient."""

import asyncio
from email import message_from_bytes, policy

import pytest

from mailadmin.drivers.smtp.driver import SmtpDriver
from mailadmin.errors import ConnectFailed, DeliveryError
from tests.cases import case
from tests.mailadmin.drivers.smtp.smtp_sending import (
    ANN,
    BEN,
    CY,
    MESSAGE,
    connection_to,
    envelope,
    outcomes,
    send,
    send_one,
)
from tests.smtp_faults import FaultyServer, reply

# ---------------------------------------------------------------- what arrives


@pytest.mark.parametrize("tls", ["none", "starttls", "ssl"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_mail_arrives_octet_for_octet_in_each_tls_mode_with_sign_in(start_smtp, tls, mechanism):
    server = start_smtp(tls=tls, mechanisms=(mechanism,))
    result = send_one(server, ANN, BEN)
    assert result.outcome == "sent"
    assert outcomes(result) == {ANN: "accepted", BEN: "accepted"}
    assert (result.code, result.enhanced_code, result.reply) == (250, "2.0.0", "Accepted")
    assert (result.host, result.phase, result.error) == (f"localhost:{server.port}", "content", None)
    (mail,) = server.mails
    assert (mail.sender, mail.recipients, mail.content) == ("shop@example.org", (ANN, BEN), MESSAGE)
    assert (mail.username, server.sign_ins) == ("mailer", [(mechanism, "mailer")])
    assert mail.tls == ("" if tls == "none" else "TLSv1.3")
    assert result.tls.split(",")[0] == mail.tls


def test_a_mail_arrives_without_sign_in_where_none_is_wanted(start_smtp):
    server = start_smtp(tls="none", username="")
    assert send_one(server).outcome == "sent"
    assert server.mails[0].username == ""


def test_cram_md5_is_used_only_if_nothing_else_is_offered(start_faulty_smtp):
    server = start_faulty_smtp(username="mailer", mechanisms="CRAM-MD5")
    assert send_one(server).outcome == "sent"
    both = start_faulty_smtp(username="mailer", mechanisms="CRAM-MD5 LOGIN PLAIN")
    assert send_one(both).outcome == "sent"
    assert [line.split()[1] for line in both.lines if line.startswith("AUTH")] == ["PLAIN"]


def test_lines_that_begin_with_dots_arrive_as_they_were(start_smtp):
    for tls in ["none", "starttls"]:
        for content in [
            b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.text\r\nend.\r\n.\r\n",
            b".Subject: a dot comes first\r\n\r\nx\r\n",
            b"Subject: last\r\n\r\n.\r\n",
            b"Subject: long\r\n\r\n" + b".0123456789\r\n" * 60_000,
            "Subject: 8 bit\r\n\r\nGrüße\r\n".encode(),
        ]:
            with case(tls, content):
                server = start_smtp(tls=tls)
                (result,) = send(server, envelope(content=content))
                assert result.outcome == "sent"
                assert server.mails[0].content == content


def test_a_last_line_without_its_end_is_completed(smtp_server):
    (result,) = send(smtp_server, envelope(content=b"Subject: x\r\n\r\nend"))
    assert result.outcome == "sent"
    assert smtp_server.mails[0].content == b"Subject: x\r\n\r\nend\r\n"


@pytest.mark.parametrize("content", [b"a: b\r\n\r\nsmuggled\n.\nMAIL FROM:<x>\r\n", b"a: b\r\n\r\n\r.\r\r\n"])
def test_bare_line_ends_are_never_sent(smtp_server, content):
    (result,) = send(smtp_server, envelope(content=content))
    assert (result.outcome, result.recipients[ANN].outcome) == ("failed", "refused")
    assert "CRLF" in result.reply
    assert smtp_server.mails == []


def test_an_address_that_would_break_out_of_its_command_is_refused():
    for address in ["ann@example.org>\r\nRCPT TO:<eve@example.org", "ann @example.org", "a\x00@b.org", ""]:
        with case(address), FaultyServer() as server:
            (result,) = send(server, envelope(address))
            assert (result.outcome, result.error.permanent) == ("failed", True)
            assert server.count("MAIL") == server.count("RCPT") == 0


def test_an_empty_sender_is_sent_as_the_null_path(start_faulty_smtp):
    server = start_faulty_smtp()
    (result,) = send(server, envelope(sender=""))
    assert result.outcome == "sent"
    assert "MAIL FROM:<> SIZE=52" in server.lines


def test_results_come_in_order_over_one_connection_and_are_told_one_by_one(smtp_server):
    told = []
    mails = [envelope(f"person{number}@example.org", number=number) for number in range(20)]
    to = connection_to(max_connections=1, **smtp_server.fields)
    results = asyncio.run(SmtpDriver().send(mails, to, on_result=lambda mail, result: told.append((mail.id, result))))
    assert [result.outcome for result in results] == ["sent"] * 20
    assert told == list(enumerate(results))
    assert smtp_server.connections == 1
    assert [mail.recipients[0] for mail in smtp_server.mails] == [mail.recipients[0] for mail in mails]


def test_the_configured_name_is_said_in_ehlo_and_an_address_where_the_machine_has_no_full_name(start_faulty_smtp):
    server = start_faulty_smtp()
    send_one(server, ehlo_name="mail.example.org")
    assert "EHLO mail.example.org" in server.lines
    send_one(server)
    name = next(line for line in reversed(server.lines) if line.startswith("EHLO")).partition(" ")[2]
    assert "." in name


def test_an_impossible_ehlo_name_is_said_and_nothing_is_sent(start_faulty_smtp):
    server = start_faulty_smtp()
    result = send_one(server, ehlo_name="a b")
    assert (result.outcome, type(result.error), result.phase) == ("deferred", ConnectFailed, "ehlo")
    assert server.lines == []


# ---------------------------------------------------------------- recipients


def test_each_recipient_has_its_own_outcome(start_faulty_smtp):
    faults = {f"rcpt:{BEN}": reply("550 5.1.1 No such user"), f"rcpt:{CY}": reply("451 4.2.1 Try later")}
    server = start_faulty_smtp(faults=faults)
    result = send_one(server, ANN, BEN, CY)
    assert result.outcome == "partial"
    assert outcomes(result) == {ANN: "accepted", BEN: "refused", CY: "deferred"}
    ben = result.recipients[BEN]
    assert (ben.code, ben.enhanced_code, ben.reply) == (550, "5.1.1", "No such user")
    assert (result.error, result.code) == (None, 250)
    assert server.mails[0].recipients == (ANN,)


def test_a_refused_recipient_of_a_real_server_fails_the_mail(smtp_server):
    smtp_server.refuse(ANN, "550 5.1.1 No such user")
    result = send_one(smtp_server)
    assert (result.outcome, result.phase, result.code, result.enhanced_code) == ("failed", "rcpt", 550, "5.1.1")
    assert type(result.error) is DeliveryError
    assert result.error.permanent
    assert "550 5.1.1 No such user" in str(result.error)
    assert smtp_server.mails == []


def test_if_no_recipient_is_taken_no_content_is_sent():
    for answers, outcome in [
        (("550 no", "551 no"), "failed"),
        (("450 later", "451 later"), "deferred"),
        (("550 no", "451 later"), "deferred"),
    ]:
        with case(answers, outcome), FaultyServer(faults={"rcpt": [reply(answer) for answer in answers]}) as server:
            first, second = send(server, envelope(ANN, BEN, number=1), envelope(CY, number=2))
            assert (first.outcome, first.phase) == (outcome, "rcpt")
            assert outcomes(first) == {
                address: "refused" if answer[0] == "5" else "deferred"
                for address, answer in zip((ANN, BEN), answers, strict=True)
            }
            assert second.outcome == "sent"
            assert [mail.recipients for mail in server.mails] == [(CY,)]
            assert (server.count("DATA"), len(server.contents), server.connections) == (1, 1, 1)


def test_too_many_recipients_puts_off_the_rest(start_faulty_smtp):
    server = start_faulty_smtp(faults={"rcpt": [None, reply("552 Too many recipients"), reply("452 4.5.3 Too many")]})
    result = send_one(server, ANN, BEN, CY)
    assert (result.outcome, outcomes(result)) == ("partial", {ANN: "accepted", BEN: "deferred", CY: "deferred"})


def test_content_refused_refuses_those_who_were_taken(start_faulty_smtp):
    faults = {"content": reply("554 5.7.1 Spam"), f"rcpt:{BEN}": reply("451 later")}
    result = send_one(start_faulty_smtp(faults=faults), ANN, BEN)
    assert (result.outcome, outcomes(result)) == ("deferred", {ANN: "refused", BEN: "deferred"})
    assert result.recipients[ANN].code == 554
    result = send_one(start_faulty_smtp(faults={"content": reply("554 5.7.1 Spam")}))
    assert (result.outcome, result.phase, result.code, result.reply) == ("failed", "content", 554, "Spam")


def test_a_refused_mail_does_not_touch_the_next_one_on_the_connection(start_faulty_smtp):
    server = start_faulty_smtp(faults={"mail": [reply("550 5.1.0 Not you"), None]})
    first, second = send(server, envelope(number=1), envelope(BEN, number=2))
    assert (first.outcome, first.phase, first.code) == ("failed", "mail", 550)
    assert (second.outcome, outcomes(second)) == ("sent", {BEN: "accepted"})
    assert (server.connections, server.count("RSET")) == (1, 1)


# ---------------------------------------------------------------- SMTPUTF8 and SIZE


def test_smtputf8_is_asked_for_where_it_is_needed(start_smtp):
    server = start_smtp()
    results = send(server, envelope("jörg@example.org", needs_smtputf8=True), envelope(ANN, number=2))
    assert [result.outcome for result in results] == ["sent", "sent"]
    assert server.mails[0].recipients == ("jörg@example.org",)
    assert {"SMTPUTF8", "BODY=8BITMIME"} < set(server.mails[0].options)
    assert "SMTPUTF8" not in server.mails[1].options


def test_smtputf8_that_is_not_offered_fails_that_mail_once_and_no_other(start_smtp):
    server = start_smtp(smtputf8=False)
    first, second = send(server, envelope("jörg@example.org", needs_smtputf8=True), envelope(ANN, number=2))
    assert (first.outcome, first.error.permanent) == ("failed", True)
    assert "SMTPUTF8" in first.reply
    assert second.outcome == "sent"


def test_of_several_recipients_only_those_who_need_smtputf8_go_without(start_smtp, start_faulty_smtp):
    header = 'From: shop@example.org\r\nTo: "Jörg, J." <jörg@example.org>, ann@example.org,\r\n jürgen@example.org\r\n'
    mail = envelope(
        "jörg@example.org", ANN, needs_smtputf8=True, content=f"{header}Subject: x\r\n\r\nBödy\r\n".encode()
    )
    for server in (start_smtp(smtputf8=False), start_faulty_smtp(offers=(), pipelining=True)):
        result, other = send(server, mail, envelope(ANN, number=2))
        assert (result.outcome, outcomes(result)) == ("partial", {"jörg@example.org": "refused", ANN: "accepted"})
        assert "SMTPUTF8" in result.recipients["jörg@example.org"].reply
        assert (result.error, other.outcome) == (None, "sent")
        first = next(one for one in server.mails if b"Subject: x" in one.content)
        assert first.recipients == (ANN,)
        head, _, body = first.content.partition(b"\r\n\r\n")
        assert head.isascii()
        assert body == "Bödy\r\n".encode()
        to = message_from_bytes(first.content, policy=policy.default)["To"]
        assert [one.addr_spec for one in to.addresses] == [ANN]
        assert "jörg@example.org" in str(to)
        assert "jürgen@example.org" in str(to)


def test_a_mail_over_the_announced_size_fails_without_being_sent(start_faulty_smtp):
    server = start_faulty_smtp(offers=("SIZE 60",))
    first, second = send(server, envelope(content=MESSAGE + b"x" * 20 + b"\r\n"), envelope(ANN, number=2))
    assert (first.outcome, first.error.permanent) == ("failed", True)
    assert "at most 60" in first.reply
    assert second.outcome == "sent"
    assert [line for line in server.lines if line.startswith("MAIL")] == ["MAIL FROM:<shop@example.org> SIZE=52"]


def test_a_size_without_a_limit_limits_nothing(start_faulty_smtp):
    for offer in ["SIZE", "SIZE 0", "SIZE lots", "SIZE ²"]:
        assert send_one(start_faulty_smtp(offers=(offer,))).outcome == "sent", offer
