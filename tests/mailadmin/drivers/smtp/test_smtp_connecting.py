"""The smtp driver's way to real servers: sign-in, encryption, addresses, and what never leaves."""

import base64
import logging

from mailadmin.drivers.smtp.smtp_server import SmtpServer
from mailadmin.errors import ConnectFailed, SignInRefused, TLSFailed
from tests.cases import case
from tests.mailadmin.drivers.smtp.smtp_sending import (
    ANN,
    PASSWORD,
    assert_no_password,
    envelope,
    everything_said,
    outcomes,
    send,
    send_one,
)
from tests.smtp_certificates import outdated_context, server_context
from tests.smtp_faults import raw, reply

# ---------------------------------------------------------------- sign-in


def test_a_wrong_password_is_tried_once_and_defers_every_mail(start_smtp):
    server = start_smtp()
    results = send(server, envelope(number=1), envelope(number=2), envelope(number=3), password=PASSWORD)
    assert server.sign_ins == [("PLAIN", "mailer")]
    assert server.connections == 1
    for result in results:
        assert (result.outcome, result.phase, result.code, result.enhanced_code) == ("deferred", "auth", 535, "5.7.8")
        assert type(result.error) is SignInRefused
        assert result.error.permanent
        assert outcomes(result) == {ANN: "deferred"}
        assert_no_password(everything_said(result))


def test_a_server_that_repeats_our_sign_in_does_not_get_it_into_results_errors_or_logs(start_faulty_smtp, caplog):
    caplog.set_level(logging.DEBUG)
    for echo in ["{line}", "no: {line}", "\r\n535 {line}"]:
        for mechanism in ["PLAIN", "LOGIN"]:
            with case(echo, mechanism):
                text = f"535-5.7.8 x{echo}" if "\r\n" in echo else f"535 5.7.8 {echo}"
                server = start_faulty_smtp(username="mailer", mechanisms=mechanism, faults={"auth": reply(text)})
                result = send_one(server, password=PASSWORD)
                assert (result.outcome, type(result.error)) == ("deferred", SignInRefused)
                assert "[redacted]" in result.reply
                assert_no_password(everything_said(result) + caplog.text)
                assert server.count("AUTH") == 1


def test_a_cut_or_upper_cased_echo_is_struck_out_too(start_faulty_smtp):
    encoded = base64.b64encode(f"\0mailer\0{PASSWORD}".encode()).decode()
    for said in (encoded[:24], encoded[10:], encoded.upper(), f"{encoded[:20]}\r\n535 {encoded[20:]}"):
        more = "-" if "\r\n" in said else " "
        server = start_faulty_smtp(username="mailer", faults={"auth": reply(f"535{more}{said}")})
        result = send_one(server, password=PASSWORD)
        assert not any(encoded.lower()[at : at + 8] in result.reply.lower() for at in range(len(encoded) - 8)), said


def test_a_password_repeated_after_sign_in_is_struck_out_of_later_replies(start_faulty_smtp):
    faults = {"content": reply(f"250 2.0.0 taken for {PASSWORD}")}
    server = start_faulty_smtp(username="mailer", password=PASSWORD, faults=faults)
    result = send_one(server)
    assert result.reply == "taken for [redacted]"


def test_a_very_short_password_is_struck_out_where_it_stands_alone(start_faulty_smtp):
    faults = {"content": reply("250 2.0.0 accepted (p), P!")}
    result = send_one(start_faulty_smtp(username="mailer", password="p", faults=faults))
    assert result.reply == "accepted ([redacted]), [redacted]!"


def test_a_password_that_cannot_be_sent_is_said_and_not_shown(start_faulty_smtp):
    password = PASSWORD + "\udc80"
    result = send_one(start_faulty_smtp(username="mailer"), password=password)
    assert (result.outcome, type(result.error), result.phase) == ("deferred", SignInRefused, "auth")
    assert PASSWORD not in everything_said(result)


def test_the_server_with_its_password_does_not_show_it():
    assert_no_password(repr(SmtpServer(name="x", host="h", port=25, tls="none", username="mailer", password=PASSWORD)))


def test_a_refused_sign_in_is_permanent_by_its_code(start_faulty_smtp):
    for text, kind, permanent in [
        ("454 4.7.0 Try later", SignInRefused, False),
        ("535 5.7.8 Wrong", SignInRefused, True),
        ("421 4.3.2 Bye", ConnectFailed, False),
    ]:
        with case(text):
            result = send_one(start_faulty_smtp(username="mailer", faults={"auth": reply(text)}))
            assert (result.outcome, type(result.error), result.error.permanent) == ("deferred", kind, permanent)
            assert (result.phase, result.code) == ("auth", int(text[:3]))


def test_without_a_known_mechanism_nothing_is_tried(start_faulty_smtp):
    for mechanisms in ["", "XOAUTH2 GSSAPI"]:
        with case(mechanisms):
            server = start_faulty_smtp(username="mailer", mechanisms=mechanisms)
            result = send_one(server)
            assert (result.outcome, type(result.error), result.phase) == ("deferred", SignInRefused, "auth")
            assert server.count("AUTH") == 0


def test_a_reply_about_the_mechanism_is_followed_by_the_next_one_with_the_same_password(start_faulty_smtp):
    for text in ["504 5.7.4 Unrecognized authentication type", "502 5.5.1 Not implemented", "500 5.5.2 What?"]:
        with case(text):
            server = start_faulty_smtp(username="mailer", faults={"auth": [reply(text)]})
            assert send_one(server).outcome == "sent"
            assert [line.split()[1] for line in server.lines if line.startswith("AUTH")] == ["PLAIN", "LOGIN"]


def test_each_mechanism_is_tried_once_and_a_refused_password_ends_it(start_faulty_smtp):
    unknown, wrong = reply("504 5.7.4 Unrecognized authentication type"), reply("535 5.7.8 Wrong")
    for faults, tried, code in [([unknown, wrong], 2, 535), ([unknown, unknown], 2, 504), ([wrong], 1, 535)]:
        with case(code, tried):
            server = start_faulty_smtp(username="mailer", faults={"auth": faults})
            result = send_one(server)
            assert (type(result.error), result.code, server.count("AUTH")) == (SignInRefused, code, tried)


def test_a_chosen_mechanism_is_the_only_one_even_where_it_is_not_offered(start_faulty_smtp):
    for chosen in ["plain", "login", "cram-md5"]:
        with case(chosen):
            server = start_faulty_smtp(username="mailer", mechanisms="XOAUTH2")
            assert send_one(server, mechanism=chosen).outcome == "sent"
            assert server.lines[1].split()[:2] == ["AUTH", chosen.upper()]
    server = start_faulty_smtp(username="mailer", faults={"auth": reply("504 5.7.4 Unrecognized")})
    assert send_one(server, mechanism="login").code == 504
    assert server.count("AUTH") == 1


def test_a_server_for_tokens_only_is_said_to_accept_no_passwords(start_faulty_smtp):
    result = send_one(start_faulty_smtp(username="mailer", mechanisms="XOAUTH2 OAUTHBEARER"))
    assert "accepts no passwords" in result.reply
    assert "XOAUTH2 OAUTHBEARER" in result.reply


def test_a_server_that_asks_for_sign_in_later_defers_the_mail_and_blames_the_connection(start_faulty_smtp):
    result = send_one(start_faulty_smtp(faults={"mail": reply("530 5.7.0 Authentication required")}))
    assert (result.outcome, type(result.error), outcomes(result)) == ("deferred", SignInRefused, {ANN: "deferred"})
    result = send_one(start_faulty_smtp(faults={"mail": reply("530 Must issue a STARTTLS command first")}))
    assert (result.outcome, type(result.error)) == ("deferred", TLSFailed)


# ---------------------------------------------------------------- encryption


def test_with_starttls_stripped_neither_password_nor_mail_is_sent(start_faulty_smtp):
    server = start_faulty_smtp(tls="starttls", username="mailer", password=PASSWORD, offers_starttls=False)
    result = send_one(server)
    assert (result.outcome, type(result.error), result.phase) == ("deferred", TLSFailed, "tls")
    assert "does not offer STARTTLS" in result.reply
    assert [line.split()[0] for line in server.lines] == ["EHLO"]


def test_where_ehlo_is_refused_no_credentials_are_sent_and_helo_is_not_tried(start_faulty_smtp):
    for text in ["454 4.7.0 Not now", "500 5.5.1 What", "502 no", "421 bye"]:
        for changes in [{"tls": "starttls"}, {"tls": "none", "username": "mailer"}]:
            with case(text, changes):
                server = start_faulty_smtp(faults={"ehlo": reply(text)}, **changes)
                result = send_one(server)
                assert (result.outcome, type(result.error), result.phase) == ("deferred", ConnectFailed, "ehlo")
                assert [line.split()[0] for line in server.lines] == ["EHLO"]


def test_an_old_server_gets_helo_if_neither_tls_nor_sign_in_is_needed(start_faulty_smtp):
    server = start_faulty_smtp(faults={"ehlo": reply("502 5.5.2 Unknown")})
    assert send_one(server).outcome == "sent"
    assert server.count("HELO") == 1


def test_a_faulty_certificate_is_named_and_stops_everything_before_the_password(start_faulty_smtp):
    for tls in ["starttls", "ssl"]:
        for kind, words in [
            ("wrong-name", "a name other than localhost"),
            ("expired", "has expired"),
            ("not-yet-valid", "not yet valid"),
            ("self-signed", "self-signed"),
            ("unknown-authority", "unknown authority"),
        ]:
            with case(tls, kind):
                server = start_faulty_smtp(tls=tls, username="mailer", context=server_context(kind))
                result = send_one(server)
                assert (result.outcome, type(result.error), result.phase) == ("deferred", TLSFailed, "tls")
                assert result.error.permanent
                assert words in result.reply
                assert server.count("AUTH") == 0
                assert send_one(server, verify=False).outcome == "sent"


def test_an_own_authority_is_trusted_only_where_it_is_given(start_faulty_smtp):
    server = start_faulty_smtp(tls="ssl")
    assert send_one(server).outcome == "sent"
    result = send_one(server, ca_pem="")
    assert "unknown authority" in result.reply


def test_an_authority_that_is_no_pem_is_said(start_faulty_smtp):
    result = send_one(start_faulty_smtp(tls="ssl"), ca_pem="-----BEGIN CERTIFICATE-----\nnonsense\n")
    assert (result.outcome, type(result.error)) == ("deferred", TLSFailed)
    assert "PEM" in result.reply


def test_a_server_without_a_safe_version_is_refused(start_faulty_smtp):
    for tls in ["starttls", "ssl"]:
        with case(tls):
            result = send_one(start_faulty_smtp(tls=tls, context=outdated_context()))
            assert (result.outcome, type(result.error)) == ("deferred", TLSFailed)
            assert "1.2" in result.reply


def test_a_plain_server_spoken_to_in_tls_is_recognised_by_its_greeting(start_faulty_smtp):
    result = send_one(start_faulty_smtp(), tls="ssl")
    assert (result.outcome, type(result.error), result.phase) == ("deferred", TLSFailed, "tls")
    assert "does not speak TLS" in result.reply
    assert "220 mx.test ESMTP" in result.reply
    assert "try STARTTLS" in result.reply


def test_a_tls_server_spoken_to_in_plain_is_recognised(start_faulty_smtp):
    for tls in ["none", "starttls"]:
        with case(tls):
            result = send_one(start_faulty_smtp(tls="ssl"), tls=tls)
            assert (result.outcome, type(result.error)) == ("deferred", TLSFailed)
            assert "expects implicit TLS" in result.reply


def test_plain_replies_smuggled_in_before_tls_do_not_count(start_faulty_smtp):
    faults = {"starttls": raw("220 Go\r\n250-evil\r\n250 AUTH PLAIN\r\n")}
    server = start_faulty_smtp(tls="starttls", username="mailer", password=PASSWORD, faults=faults)
    result = send_one(server)
    assert (result.outcome, result.phase) == ("deferred", "tls")
    assert_no_password("\n".join(server.lines))


# ---------------------------------------------------------------- names and connections


def test_nobody_listening_is_said_for_every_mail(start_smtp):
    server = start_smtp()
    server.stop()
    results = send(server, envelope(number=1), envelope(number=2))
    for result in results:
        assert (result.outcome, type(result.error), result.phase) == ("deferred", ConnectFailed, "connect")
        assert "Nothing listens" in result.reply
    server.start = lambda: None
    server.stop = lambda: None


def test_a_host_that_does_not_exist_or_is_not_allowed_is_said(smtp_server):
    for host, words in [
        ("no-such-host.invalid", "no host named"),
        ("169.254.169.254", "metadata"),
        ("0xa9fea9fe", "metadata"),
        ("bücher\u2028.example", "not a host name"),
    ]:
        with case(host):
            result = send_one(smtp_server, host=host)
            assert (result.outcome, type(result.error), result.phase) == ("deferred", ConnectFailed, "resolve")
            assert words in result.reply
            assert smtp_server.connections == 0


def test_private_hosts_are_not_connected_to_where_they_are_forbidden(smtp_server, mail_settings):
    mail_settings(private_hosts=False)
    for host in ("localhost", "127.0.0.1", "0x7f.1", "::ffff:127.0.0.1"):
        result = send_one(smtp_server, host=host)
        assert (result.outcome, result.phase, result.error.permanent) == ("deferred", "resolve", True)
    assert smtp_server.connections == 0


def test_the_certificate_is_checked_against_the_name_and_not_against_the_address(start_faulty_smtp):
    server = start_faulty_smtp(tls="ssl")
    assert send_one(server, host="127.0.0.1").outcome == "sent"  # the certificate names it, too
    result = send_one(server, host="127.1")
    assert "a name other than 127.1" in result.reply
