"""Input that the form of an SMTP secret accepts and refuses."""

import datetime

import pytest
import trustme
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from secrets_app.kinds.smtp import SmtpForm
from secrets_app.kinds.smtp_presets import PRESETS
from secrets_app.models import Secret
from tests.cases import case

pytestmark = pytest.mark.django_db
CONTROLS = ["\x00", "\x01", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ud800", "\ufffd"]
TEXT_FIELDS = ["name", "host", "username", "password", "sender", "ehlo_name"]


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def refused(data, field):
    form = SmtpForm(data)
    assert not form.is_valid()
    assert field in form.errors, form.errors
    return str(form.errors[field][0])


def test_what_is_typed_is_what_is_stored(typed):
    form = SmtpForm(typed)
    assert form.is_valid(), form.errors
    assert form.stored_fields() == {
        **SmtpForm.defaults,
        "host": "smtp.example.com",
        "port": 587,
        "tls": "starttls",
        "username": "relay",
        "sender": "",
        "ehlo_name": "",
        "timeout": 20.0,
        "ca_pem": "",
        "verify": True,
    }
    assert form.values() == {"password": "first-password"}


def test_control_characters_are_refused_at_the_field(typed):
    for control in CONTROLS:
        for field in TEXT_FIELDS:
            with case(control, field):
                refused({**typed, field: f"a{control}b"}, field)


def test_every_text_has_a_longest_length(typed):
    for field, length in [
        ("name", 101),
        ("host", 254),
        ("username", 256),
        ("password", 1001),
        ("sender", 255),
        ("ehlo_name", 254),
    ]:
        with case(field, length):
            refused({**typed, field: "a" * length}, field)
            refused({**typed, field: "a" * 100_000}, field)


def test_a_name_that_grows_in_comparison_is_refused_at_the_field(typed):
    assert "too long" in refused({**typed, "name": "ﷺ" * 100}, "name")


def test_the_environments_name_is_reserved(typed):
    for name in ["environment", "Environment", "ENVIRONMENT", " environment "]:
        assert "environment" in refused({**typed, "name": name}, "name"), name


def test_a_name_of_digits_only_is_refused(typed):
    for name in ["17", "٣", "²"]:
        assert "digits" in refused({**typed, "name": name}, "name"), name


def test_a_taken_name_is_refused_in_any_letter_case(typed, secret):
    assert "already" in refused({**typed, "name": "rELAY"}, "name")


def test_hosts_that_are_accepted(typed):
    for host, stored in [
        ("SMTP.Example.COM", "smtp.example.com"),
        ("smtp.example.com.", "smtp.example.com"),
        ("  smtp.example.com ", "smtp.example.com"),
        ("localhost", "localhost"),
        ("mail_relay.internal", "mail_relay.internal"),
        ("bücher.example", "bücher.example"),
        ("пошта.укр", "пошта.укр"),
        ("192.0.2.7", "192.0.2.7"),
        ("10.0.0.5", "10.0.0.5"),
        ("[2001:db8::25]", "2001:db8::25"),
        ("::1", "::1"),
    ]:
        with case(host, stored):
            form = SmtpForm({**typed, "host": host})
            assert form.is_valid(), form.errors
            assert form.stored_fields()["host"] == stored


def test_hosts_that_are_refused(typed):
    for host in [
        "",
        "smtp://mail.example.com",
        "https://mail.example.com/",
        "mail.example.com:587",
        "user@mail.example.com",
        "mail example.com",
        "-mail.example.com",
        "mail-.example.com",
        "mail..example.com",
        ".",
        "..",
        "a" * 64 + ".example.com",
        "ab.cd\N{FULLWIDTH SOLIDUS}ef",
        "xn--\N{SNOWMAN}",
        "[]",
        "[::1",
        ":::",
        "1.2.3.4.5:6:7",
        "<script>alert(1)</script>",
        "{{ 7*7 }}",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "::ffff:169.254.169.254",
        "fe80::1",
        "0.0.0.0",
        "metadata.google.internal",
        "256.256.256.256",
    ]:
        with case(host):
            refused({**typed, "host": host}, "host")


def test_private_hosts_are_refused_where_the_deployer_says_so(typed, mail_settings):
    mail_settings(private_hosts=False)
    for host in ["10.0.0.5", "127.0.0.1", "localhost", "0x7f.1", "2130706433", "::1", "::ffff:10.0.0.5"]:
        refused({**typed, "host": host}, "host")
    assert SmtpForm({**typed, "ehlo_name": "localhost"}).is_valid()


def test_ports_that_are_refused(typed):
    for port in ["", "0", "-1", "22", "80", "65536", "9" * 5000, "587.5", "abc", "5e2", "0x24b", "²", "587\x00"]:
        with case(port):
            refused({**typed, "port": port}, "port")


def test_ports_that_are_accepted(typed):
    for port in ["25", "587", "2465", "2525", "2587", "1024", "65535"]:
        with case(port):
            form = SmtpForm({**typed, "port": port, "tls": "ssl" if port == "2465" else "starttls"})
            assert form.is_valid(), form.errors


def test_an_unknown_tls_mode_is_refused(typed):
    for tls in ["", "tls", "STARTTLS", "both", "none,ssl", "starttls\x00"]:
        with case(tls):
            refused({**typed, "tls": tls}, "tls")


def test_a_port_with_another_tls_mode_is_refused_at_the_tls_choice(typed):
    for port, tls in [("465", "starttls"), ("465", "none"), ("2465", "starttls"), ("587", "ssl"), ("25", "ssl")]:
        assert port in refused({**typed, "port": port, "tls": tls}, "tls"), (port, tls)


def test_a_port_that_fits_the_tls_mode_is_accepted(typed):
    for port, tls in [("465", "ssl"), ("587", "none"), ("25", "none"), ("8465", "ssl")]:
        assert SmtpForm({**typed, "port": port, "tls": tls}).is_valid(), (port, tls)


def test_timeouts_that_are_refused(typed):
    for timeout in ["", "0", "0.99", "600.1", "-5", "nan", "inf", "-inf", "9" * 5000, "1e400", "soon"]:
        with case(timeout):
            refused({**typed, "timeout": timeout}, "timeout")


def test_timeouts_that_are_accepted(typed):
    for timeout in ["1", "600", "2.5", " 20 "]:
        with case(timeout):
            form = SmtpForm({**typed, "timeout": timeout})
            assert form.is_valid()
            assert form.stored_fields()["timeout"] == float(timeout)


def test_sender_addresses_that_are_accepted(typed):
    for sender in ["mail@example.com", "a@localhost", "a@relay.local", "post@bücher.example"]:
        with case(sender):
            form = SmtpForm({**typed, "sender": sender})
            assert form.is_valid(), form.errors


def test_sender_addresses_that_are_refused(typed):
    for sender in [
        "ann",
        "@example.com",
        "ann@",
        "Ann <ann@example.com>",
        "a@x.org,b@x.org",
        "a b@x.org",
        "=?utf-8?q?a?=@x.org",
        "a@b@x.org",
        '"a b"@x.org',
        "a@-x.org",
        "a@[127.0.0.1]",
        "a..b@x.org",
        "a@x..org",
    ]:
        with case(sender):
            refused({**typed, "sender": sender}, "sender")


def test_user_and_password_come_together_or_not_at_all(typed):
    refused({**typed, "password": ""}, "password")
    refused({**typed, "username": ""}, "username")
    assert SmtpForm({**typed, "username": "", "password": ""}).is_valid()


def test_a_password_of_nothing_but_spaces_is_refused(typed):
    refused({**typed, "password": "   "}, "password")


def test_a_password_is_stored_exactly_as_typed(typed):
    form = SmtpForm({**typed, "password": " two words "})
    assert form.is_valid()
    assert form.values() == {"password": " two words "}


def test_a_certificate_is_stored_alone_without_what_stands_around_it(typed, authority):
    pem = authority.cert_pem.bytes().decode()
    form = SmtpForm({**typed, "ca_pem": f"subject=Us\r\n{pem}\r\nbye"})
    assert form.is_valid(), form.errors
    assert form.stored_fields()["ca_pem"] == pem
    two = SmtpForm({**typed, "ca_pem": pem + trustme.CA().cert_pem.bytes().decode()})
    assert two.is_valid()
    assert two.stored_fields()["ca_pem"].count("BEGIN CERTIFICATE") == 2


def test_anything_but_a_certificate_is_refused(typed):
    for pem in [
        "garbage",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n\x00\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nü\n-----END CERTIFICATE-----",
        "x" * 100_000,
        "\ud800",
    ]:
        with case(pem):
            refused({**typed, "ca_pem": pem}, "ca_pem")


def test_a_certificate_with_a_broken_middle_is_refused(typed, authority):
    pem = authority.cert_pem.bytes().decode()
    refused({**typed, "ca_pem": pem.replace(pem.splitlines()[3], "A" * 64)}, "ca_pem")


def test_an_expired_certificate_is_refused(typed, time_machine):
    pem = trustme.CA().cert_pem.bytes().decode()
    time_machine.move_to(datetime.datetime(3001, 1, 1, tzinfo=datetime.UTC))
    assert "expired" in refused({**typed, "ca_pem": pem}, "ca_pem")


def test_a_private_key_is_refused_and_not_repeated(typed, authority):
    for together in [False, True]:
        with case(together):
            key = authority.private_key_pem.bytes().decode()
            pem = authority.cert_pem.bytes().decode() + key if together else key
            form = SmtpForm({**typed, "ca_pem": pem})
            assert "private key" in str(form.errors["ca_pem"])
            assert "PRIVATE KEY" not in form.as_div()
            assert key.splitlines()[2] not in form.as_div()


def test_verification_is_on_unless_the_box_is_ticked(typed):
    assert SmtpForm(typed).is_valid()
    off = SmtpForm({**typed, "skip_verification": "on"})
    assert off.is_valid()
    assert off.stored_fields()["verify"] is False
    assert "Dangerous" in SmtpForm().as_div()


def test_a_failed_form_does_not_repeat_the_password_and_says_so(typed):
    form = SmtpForm({**typed, "port": "0", "password": "canary-password"})
    assert "canary-password" not in form.as_div()
    assert "Enter it again" in str(form.errors["password"])


def edit(secret, typed, **more):
    data = {**typed, "password": "", "password_action": "keep", "revision": secret.revision, **more}
    return SmtpForm(data, secret=secret, stored=frozenset({"password"}))


def test_keep_leaves_the_password_alone(secret, typed):
    form = edit(secret, typed, sender="a@example.com")
    assert form.is_valid(), form.errors
    assert form.values() == {}


def test_keep_is_refused_when_the_server_changed(secret, typed, authority):
    for field, value, label in [
        ("host", "other.example.com", "Host"),
        ("port", "2525", "Port"),
        ("tls", "none", "Encryption"),
        ("username", "x", "User"),
        ("skip_verification", "on", "Certificate check"),
        ("ca_pem", authority.cert_pem.bytes().decode(), "Private certificate authority"),
    ]:
        with case(field, value, label):
            form = edit(secret, typed, **{field: value})
            assert f"Enter the password again, because the server changed ({label})" in str(form.errors["password"])
            again = edit(secret, typed, password_action="replace", password="again", **{field: value})
            assert again.is_valid(), again.errors
            assert again.values() == {"password": "again"}


def test_the_same_server_in_another_spelling_keeps_the_password(secret, typed):
    assert edit(secret, typed, host="SMTP.EXAMPLE.COM.", port="0587").is_valid()


def test_replace_needs_a_password_and_keep_or_remove_refuse_one(secret, typed):
    assert "Enter a new value" in str(edit(secret, typed, password_action="replace").errors["password"])
    assert "Choose Replace" in str(edit(secret, typed, password="x").errors["password"])
    assert "Choose Replace" in str(edit(secret, typed, password_action="remove", password="x").errors["password"])
    assert "password_action" in edit(secret, typed, password_action="steal").errors
    assert "password_action" in edit(secret, typed, password_action="").errors


def test_remove_takes_the_user_with_it(secret, typed):
    assert "password" in edit(secret, typed, password_action="remove").errors
    form = edit(secret, typed, password_action="remove", username="")
    assert form.is_valid(), form.errors
    assert form.values() == {"password": None}


def test_a_new_secret_has_no_choice_of_action(typed):
    assert "password_action" not in SmtpForm().fields
    assert "revision" not in SmtpForm().fields


def test_every_preset_is_valid_as_it_stands(typed):
    for preset in PRESETS:
        form = SmtpForm({**typed, "name": str(preset.label), **preset.initial})
        assert form.is_valid(), (preset.key, form.errors)


def test_a_stored_secret_comes_back_into_its_form_unchanged(secret):
    form = SmtpForm(secret=secret, stored=frozenset({"password"}))
    data = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    again = SmtpForm(data, secret=secret, stored=frozenset({"password"}))
    assert again.is_valid(), again.errors
    assert again.stored_fields() == {**SmtpForm.defaults, **secret.fields}
    assert again.values() == {}


anything = st.text(st.characters(), max_size=300) | st.sampled_from(["a" * 100_000, "9" * 5000, "\x00", "\ud800"])


@given(data=st.fixed_dictionaries({}, optional=dict.fromkeys([*SmtpForm.base_fields, "password_action"], anything)))
@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_input_gets_an_answer_and_accepted_input_is_clean(data):
    form = SmtpForm(data)
    if form.is_valid():
        secret = Secret(kind="smtp", name=form.cleaned_data["name"], fields=form.stored_fields())
        assert not [c for c in CONTROLS if c in repr(secret.fields) or c in secret.name]
    else:
        assert form.errors
        form.as_div()
