"""The connection check: on what is typed and on what is stored, through real servers; nothing is sent or stored."""

import html as html_module
import re
from typing import Any

import pytest
from django.core.cache import cache

from mailadmin.diagnosis import connection_check
from mailadmin.diagnosis.connection_check import DONE, FAILED, NOT_REACHED
from mailadmin.drivers.smtp import check
from maillog.models import Message
from secrets_app import reveal as vault_reveal
from secrets_app.models import Secret, SecretEvent
from tests.cases import case, rolled_back
from tests.conftest import signed_in
from tests.factories import make_user
from tests.mailadmin.drivers.smtp.smtp_sending import PASSWORD, assert_no_password
from tests.smtp_certificates import outdated_context, server_context
from tests.smtp_faults import DROP, EOF, GARBAGE, HANG, FaultyServer, premature, raw, reply, stray

pytestmark = pytest.mark.django_db

NEW = "/mail/connection-check/new/smtp/"
CHANGED = "/mail/connection-check/changed/smtp/"
STORED = "/mail/connection-check/stored/smtp/"
RUNGS = {
    "starttls": ["resolve", "connect", "greeting", "ehlo", "tls", "auth", "mail", "rcpt"],
    "ssl": ["resolve", "connect", "tls", "ehlo", "auth", "mail", "rcpt"],
    "none": ["resolve", "connect", "greeting", "ehlo", "auth", "mail", "rcpt"],
}


def typed(server, **changes):
    """What the form of a secret for `server` sends."""
    fields = {"name": "Relay", "sender": "shop@example.com", "timeout": "30", "ehlo_name": "", **server.fields}
    limits = {"max_connections": 5, "mails_per_connection": 100}
    rates = dict.fromkeys(("per_second", "per_minute", "per_hour", "per_day"), 0)
    return {**fields, **limits, **rates, **changes}


def text_of(response):
    """The words of a page."""
    return " ".join(html_module.unescape(re.sub(r"<[^>]*>", " ", response.content.decode())).split())


def rungs_of(response):
    return re.findall(r'<li data-state="(\w+)">\s*<div>\s*<strong>([^<]+)', response.content.decode())


def states(response):
    return [state for state, _ in rungs_of(response)]


# ---------------------------------------------------------------- what is typed


@pytest.mark.parametrize("tls", ["starttls", "ssl", "none"])
def test_every_rung_is_climbed_and_nothing_is_sent_or_stored(admin_client, start_smtp, tls):
    server = start_smtp(tls=tls)
    response = admin_client.post(NEW, typed(server))
    assert response.status_code == 200
    assert states(response) == ["done"] * len(RUNGS[tls])
    words = text_of(response)
    assert f"localhost:{server.port} is ready for mail." in words
    assert "MAIL FROM:<shop@example.com>" in words
    assert "RCPT TO:<admin@example.com>" in words
    assert ("TLSv1.3" in words) == (tls != "none")
    assert ("Certificate for localhost" in words) == (tls != "none")
    assert server.mails == []
    assert len(server.sign_ins) == 1
    assert not Secret.objects.exists()
    assert not Message.objects.exists()
    assert "RSET" in words
    assert "offers SIZE, 8BITMIME, SMTPUTF8, AUTH" in words
    assert_no_password(response.content.decode() + str(response.headers))


def test_a_server_that_asks_for_no_sign_in_has_no_such_rung(admin_client, start_smtp):
    server = start_smtp(tls="none", username="", password="")
    response = admin_client.post(NEW, typed(server))
    assert "Sign in" not in [label for _, label in rungs_of(response)]
    assert set(states(response)) == {"done"}


def test_without_a_sender_nobody_is_asked_about(admin_client, start_smtp, mail_settings):
    server = start_smtp()
    response = admin_client.post(NEW, typed(server, sender=""))
    assert states(response) == ["done"] * 6
    mail_settings(from_address="news@example.com")
    assert "MAIL FROM:<news@example.com>" in text_of(admin_client.post(NEW, typed(server, sender="")))


def test_neither_a_name_that_is_missing_nor_one_that_is_taken_is_in_the_way(admin_client, start_smtp, secret):
    server = start_smtp()
    secret("Relay", server)
    for name in ("", "Relay", "environment"):
        assert set(states(admin_client.post(NEW, typed(server, name=name)))) == {"done"}


def test_what_is_wrong_in_the_form_is_said_before_anything_is_tried(admin_client, start_smtp):
    server = start_smtp()
    response = admin_client.post(NEW, typed(server, host="", port="0"))
    assert response.status_code == 422
    words = text_of(response)
    assert "Nothing was checked yet" in words
    assert "Host: This field is required." in words
    assert "Port: " in words
    assert server.connections == 0
    assert_no_password(response.content.decode())


# ---------------------------------------------------------------- where it breaks


def test_a_wrong_password_stops_at_the_sign_in_with_the_servers_words(admin_client, start_smtp):
    server = start_smtp()
    response = admin_client.post(NEW, typed(server, password="wrong-" + PASSWORD))
    assert states(response) == ["done"] * 5 + ["failed", "missing", "missing"]
    words = text_of(response)
    assert "stops at “Sign in”" in words
    assert "535 5.7.8" in words
    assert "What to do" in words
    assert "wrong-" not in response.content.decode()
    assert_no_password(response.content.decode())


def test_replies_that_are_not_utf_8_or_hold_control_characters_are_shown(admin_client, start_faulty_smtp):
    for phase in ("greeting", "ehlo", "starttls", "auth", "mail", "rcpt"):
        for said, shown in [
            ("535 5.7.8 Anmeldung ung\xfcltig\r\n", "Anmeldung ungültig"),
            ("535 5.7.8 a\x00b\x1b[31mc\x85d\xff\xfe\r\n", "a b [31mc dÿþ"),
        ]:
            with case(phase, said):
                server = start_faulty_smtp(faults={phase: raw(said)}, tls="starttls", username="u")
                response = admin_client.post(NEW, typed(server))
                assert response.status_code == 200
                assert shown in text_of(response)


def test_what_a_driver_raises_is_an_answer_too(admin_client, start_smtp, monkeypatch, caplog):
    def broken(*_args, **_kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(check, "_notes", broken)
    response = admin_client.post(NEW, typed(start_smtp()))
    assert response.status_code == 200
    assert "The driver failed: ZeroDivisionError" in text_of(response)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.usefixtures("patient")
def test_a_wrong_choice_of_encryption_is_recognised(admin_client, start_smtp):
    for spoken, chosen in [("starttls", "ssl"), ("ssl", "starttls"), ("none", "ssl")]:
        with case(spoken, chosen):
            server = start_smtp(tls=spoken)
            response = admin_client.post(NEW, typed(server, tls=chosen, ca_pem=""))
            assert "failed" in states(response)
            words = text_of(response)
            assert ("STARTTLS" if spoken != "ssl" else "implicit TLS") in words
            assert server.sign_ins == []


def test_a_certificate_that_nobody_vouches_for_stops_at_tls(admin_client, start_smtp):
    server = start_smtp()
    response = admin_client.post(NEW, typed(server, ca_pem=""))
    assert ("failed", "Encrypt (TLS)") in rungs_of(response)
    assert server.sign_ins == []


def test_a_name_that_leads_nowhere_stops_at_the_first_rung(admin_client, start_smtp):
    response = admin_client.post(NEW, typed(start_smtp(), host="nowhere.invalid"))
    assert rungs_of(response)[0] == ("failed", "Find the host")
    assert states(response)[1:] == ["missing"] * 7


def test_nobody_listening_stops_at_connecting(admin_client, start_smtp):
    server = start_smtp()
    data = typed(server)
    server.stop()
    response = admin_client.post(NEW, data)
    assert states(response)[:2] == ["done", "failed"]


def test_a_refusal_stands_at_its_rung(admin_client):
    for fault, label, words in [
        ({"mail": reply("553 5.7.1 not your address")}, "Sender accepted (MAIL FROM)", "553 5.7.1 not your address"),
        ({"rcpt": reply("550 5.1.1 no such user")}, "Recipient accepted (RCPT TO)", "the mailbox does not exist"),
        ({"greeting": reply("554 go away")}, "Greeting", "554"),
    ]:
        with case(label), FaultyServer(faults=fault) as server:
            response = admin_client.post(NEW, typed(server, username="", password=""))
            assert ("failed", label) in rungs_of(response)
            assert words in text_of(response)


PHASES = ("greeting", "ehlo", "starttls", "handshake", "auth", "mail", "rcpt", "rset", "quit")


@pytest.mark.usefixtures("patient")
def test_whatever_a_server_does_at_a_rung_is_an_answer(admin_client):
    ends = [[DONE] * number + [FAILED] * (number < 8) + [NOT_REACHED] * (7 - number) for number in range(9)]
    for phase in PHASES:
        for fault in [DROP, EOF, GARBAGE, HANG, stray("250 and more"), premature("250 unasked")]:
            server = FaultyServer(tls="starttls", username="mailer", faults={phase: fault})
            with rolled_back(phase, fault), server:
                response = admin_client.post(NEW, typed(server))
                assert response.status_code == 200
                found = states(response)
                assert found in ends
                if FAILED in found:
                    assert "stops at" in text_of(response)
                    assert re.search(r'<pre class="reply" data-tone="bad">[^<]+</pre>', response.content.decode())
                else:
                    assert phase in ("rset", "quit") or fault.kind in ("stray", "premature")


def test_ehlo_that_is_refused_after_starttls_leaves_tls_on_its_rung(admin_client, start_faulty_smtp):
    server = start_faulty_smtp(tls="starttls", username="mailer", faults={"ehlo": [None, reply("502 not now")]})
    found = rungs_of(admin_client.post(NEW, typed(server)))
    assert [state for state, _ in found] == [DONE] * 4 + [FAILED] + [NOT_REACHED] * 3
    assert found[4] == (FAILED, "Encrypt (TLS)")


def test_a_conversation_that_ends_is_not_blamed_on_the_addresses(admin_client):
    for fault in [DROP, reply("421 4.3.2 going down")]:
        with case(fault), FaultyServer(faults={"rcpt": fault}) as server:
            words = text_of(admin_client.post(NEW, typed(server, username="", password="")))
            assert "The server ended the conversation." in words
            assert "typing" not in words


# ---------------------------------------------------------------- what is stored


def test_a_stored_password_is_used_where_the_server_is_the_same(admin_client, start_smtp, secret):
    server = start_smtp()
    kept = secret("Relay", server)
    place = f"{CHANGED}{kept.pk}/"
    data = typed(server, password="", password_action="keep", revision=99)
    assert set(states(admin_client.post(place, data))) == {"done"}
    assert server.sign_ins == [("PLAIN", "mailer")]
    kept.refresh_from_db()
    assert kept.revision == 1
    assert SecretEvent.objects.count() == 1  # that it was made


def test_a_stored_password_goes_to_no_other_server(admin_client, start_smtp, secret):
    server, other = start_smtp(), start_smtp()
    kept = secret("Relay", server)
    data = typed(other, password="", password_action="keep")
    response = admin_client.post(f"{CHANGED}{kept.pk}/", data)
    assert response.status_code == 422
    assert "Enter the password again, because the server changed (Port)" in text_of(response)
    assert other.connections == 0


def test_who_may_only_use_a_secret_checks_it_as_it_is(start_smtp, secret):
    server = start_smtp()
    kept = secret("Relay", server)
    client = signed_in(make_user("bob@example.com", "secrets_app.use_secrets"))
    assert client.post(f"{CHANGED}{kept.pk}/", typed(server)).status_code == 403
    response = client.post(f"{STORED}{kept.pk}/")
    assert set(states(response)) == {"done"}
    assert "RCPT TO:<bob@example.com>" in text_of(response)
    kept.available_to_system = False
    kept.save()
    assert client.post(f"{STORED}{kept.pk}/").status_code == 403
    assert client.post(f"{STORED}999/").status_code == 404
    assert client.post(f"{CHANGED}999/").status_code == 404


def test_the_connection_of_the_environment_is_checked(admin_client, start_smtp, mail_settings):
    server = start_smtp()
    mail_settings(**server.fields, from_address="shop@example.com")
    response = admin_client.post(f"{STORED}environment/")
    assert set(states(response)) == {"done"}
    assert_no_password(response.content.decode())


def test_a_secret_that_was_saved_meanwhile_is_not_tried(admin_client, start_smtp, secret, monkeypatch):
    """Its new password belongs to a new server, and would go to the one that was typed."""
    server = start_smtp()
    kept = secret("Relay", server)
    reveal = vault_reveal.reveal

    def saved_meanwhile(number):
        Secret.objects.filter(pk=kept.pk).update(revision=2)
        return reveal(number)

    monkeypatch.setattr("mailadmin.connections.revealing.reveal", saved_meanwhile)
    data = typed(server, password="", password_action="keep")
    response = admin_client.post(f"{CHANGED}{kept.pk}/", data)
    assert response.status_code == 422
    assert "saved this secret in the meantime" in text_of(response)
    assert server.connections == 0


def test_only_a_few_checks_run_at_a_time_and_a_person_has_so_many_a_minute(admin_client, start_smtp, monkeypatch):
    server = start_smtp(tls="none", username="", password="")
    with connection_check.limited(1), connection_check.limited(2):
        response = admin_client.post(NEW, typed(server))
        assert "Other checks are running" in text_of(response)
    cache.clear()
    monkeypatch.setattr(connection_check, "MAX_PER_MINUTE", 2)
    codes = [admin_client.post(NEW, typed(server)).status_code for _ in range(4)]
    assert codes == [200, 200, 422, 422]


# ---------------------------------------------------------------- the pages


def test_the_part_alone_is_for_a_page_that_asks_for_it(admin_client, start_smtp):
    server = start_smtp()
    part = admin_client.post(NEW, typed(server), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert 'class="card connection-check"' in part
    assert "<html" in admin_client.post(NEW, typed(server)).content.decode()


def test_the_button_stands_where_a_connection_is_typed_or_shown(admin_client, start_smtp, secret, mail_settings):
    server = start_smtp()
    kept = secret("Relay", server)
    mail_settings(**server.fields)
    for page, place in (
        ("/secrets/new/smtp/", NEW),
        (f"/secrets/{kept.pk}/", f"{CHANGED}{kept.pk}/"),
        ("/secrets/environment/", f"{STORED}environment/"),
    ):
        assert f'formaction="{place}"' in admin_client.get(page).content.decode(), page
    client = signed_in(make_user("bob@example.com", "secrets_app.use_secrets"))
    assert f'formaction="{STORED}{kept.pk}/"' in client.get(f"/secrets/{kept.pk}/").content.decode()


# ---------------------------------------------------------------- advice by cause


def test_each_fault_of_the_encryption_has_its_own_advice(admin_client, start_faulty_smtp):
    faults: list[tuple[dict[str, Any], str]] = [
        ({"context": server_context("expired")}, "Ask the operator of the server for a new certificate"),
        ({"context": server_context("not-yet-valid")}, "Check the clock of this machine"),
        ({"context": server_context("wrong-name")}, "Enter as host the name that the certificate is for"),
        ({"context": server_context("self-signed")}, "paste its certificate into the connection"),
        ({"context": server_context("unknown-authority")}, "If the authority is yours"),
        ({"context": outdated_context()}, "needs TLS 1.2 or later"),
        ({"offers_starttls": False}, "Choose implicit TLS on port 465"),
    ]
    for changes, words in faults:
        with case(words):
            server = start_faulty_smtp(tls="starttls", **changes)
            said = text_of(admin_client.post(NEW, typed(server)))
            assert words in said
            assert "belong together" not in said


def test_a_mode_that_works_is_found_and_offered_without_sending_the_password(admin_client, start_faulty_smtp):
    for actual, chosen, words in [
        ("ssl", "starttls", "It can be reached with implicit TLS on port"),
        ("starttls", "ssl", "It can be reached with STARTTLS on port"),
    ]:
        with case(actual, chosen):
            server = start_faulty_smtp(tls=actual, username="mailer", password=PASSWORD)
            response = admin_client.post(NEW, typed(server, tls=chosen))
            assert words in text_of(response)
            assert server.count("AUTH") == 0
            address = f"/secrets/new/smtp/?tls={actual}&port={server.port}"
            assert f'href="{address.replace("&", "&amp;")}"' in response.content.decode()
            form = admin_client.get(address).content.decode()
            assert re.search(rf'value="{actual}"[^>]* checked', form)
            assert f'name="port" value="{server.port}"' in form


def test_where_no_mode_works_none_is_offered(admin_client, start_faulty_smtp):
    server = start_faulty_smtp(tls="starttls", context=server_context("expired"))
    assert "It can be reached" not in text_of(admin_client.post(NEW, typed(server)))
