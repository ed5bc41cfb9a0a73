import html
import io
import re
import time

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from cryptography.fernet import Fernet
from django.contrib.auth import get_user
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from maillog.models import Message
from secrets_app.encrypted_texts import TextRotation
from secrets_app.encryption import encrypt_value
from tests.cases import rolled_back
from tests.conftest import signed_in
from tests.factories import PASSWORD, make_user
from users.second_factor import rotate_second_factors

pytestmark = pytest.mark.django_db

ACTIVATE, DEACTIVATE, CODES = (
    "/account/2fa/totp/activate/",
    "/account/2fa/totp/deactivate/",
    "/account/2fa/recovery-codes/",
)


@pytest.fixture(autouse=True)
def still_clock():
    """Or a code could be made at the end of its 30 seconds and be tried after them."""
    with time_machine.travel("2026-01-31T12:00:00Z", tick=False):
        yield


@pytest.fixture
def ann():
    return make_user(name="Ann Lee")


@pytest.fixture
def client(ann):
    return signed_in(ann)


def code_of(secret: str) -> str:
    """What the authenticator app shows now (RFC 6238)."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def confirm(client):
    """Type the password again, as the pages ask before each of these steps."""
    client.post("/account/reauthenticate/", {"password": PASSWORD})


def turn_on(client) -> str:
    confirm(client)
    secret = client.get(ACTIVATE).context["form"].secret
    response = client.post(ACTIVATE, {"code": code_of(secret)})
    assert response["Location"] == reverse("mfa_view_recovery_codes")
    return str(secret)


def sign_in() -> Client:
    client = Client()
    response = client.post("/account/login/", {"login": "ann@example.com", "password": PASSWORD})
    assert response["Location"] == reverse("mfa_authenticate")
    return client


def test_it_can_be_turned_on_after_a_reset_mail_was_asked_for(client, ann, mail_settings):
    mail_settings(driver="silent", from_address="mailadmin@example.com")
    Client().post("/account/password/reset/", {"email": ann.email})
    assert Message.objects.exists()
    turn_on(client)


def test_turning_it_on_takes_the_password_and_a_code_from_the_app(client, ann):
    response = client.get(ACTIVATE)
    assert response["Location"] == f"/account/reauthenticate/?next={ACTIVATE.replace('/', '%2F')}"
    confirm(client)
    page = client.get(ACTIVATE)
    secret = page.context["form"].secret
    assert secret in page.text
    assert re.search(r'<img class="qr" src="data:image/svg\+xml;base64,[A-Za-z0-9+/=]+"', page.text)
    wrong = client.post(ACTIVATE, {"code": "000000" if code_of(secret) != "000000" else "111111"})
    assert wrong.context["form"].errors == {"code": ["Incorrect code."]}
    assert not Authenticator.objects.exists()
    assert client.post(ACTIVATE, {"code": code_of(secret)})["Location"] == reverse("mfa_view_recovery_codes")
    assert {auth.type for auth in Authenticator.objects.filter(user=ann)} == {"totp", "recovery_codes"}


def test_the_sign_in_then_asks_for_the_second_step(client, ann):
    secret = turn_on(client)
    new = sign_in()
    assert not get_user(new).is_authenticated
    assert new.get("/account/profile/").status_code == 302
    assert "authenticator app" in new.get("/account/2fa/authenticate/").text
    wrong = new.post("/account/2fa/authenticate/", {"code": "12"})
    assert wrong.context["form"].errors == {"code": ["Incorrect code."]}
    assert not get_user(new).is_authenticated
    assert new.post("/account/2fa/authenticate/", {"code": code_of(secret)})["Location"] == reverse("overview")
    assert get_user(new) == ann


def test_nonsense_is_no_code(client):
    turn_on(client)
    for code in ["", "\x00", "é", "١٢٣٤٥٦", "1" * 100_000, "-1", "12 34 56", "\u2028"]:
        with rolled_back(code):
            new = sign_in()
            response = new.post("/account/2fa/authenticate/", {"code": code})
            assert response.status_code == 200
            assert "code" in response.context["form"].errors
            assert not get_user(new).is_authenticated


def test_a_code_works_once(client):
    secret = turn_on(client)
    code = code_of(secret)
    sign_in().post("/account/2fa/authenticate/", {"code": code})
    thief = sign_in()
    assert thief.post("/account/2fa/authenticate/", {"code": code}).context["form"].errors
    assert not get_user(thief).is_authenticated


def test_codes_cannot_be_guessed_for_long(client):
    secret = turn_on(client)
    thief = sign_in()
    answers = [thief.post("/account/2fa/authenticate/", {"code": "12"}) for _ in range(6)]
    assert answers[-1].context["form"].errors == {"code": ["Too many failed login attempts. Try again later."]}
    assert thief.post("/account/2fa/authenticate/", {"code": code_of(secret)}).context["form"].errors


def test_a_recovery_code_works_once_in_place_of_the_app(client, ann):
    turn_on(client)
    page = client.get(CODES)
    codes = page.context["unused_codes"]
    assert len(codes) == 10
    assert all(code in page.text for code in codes)
    assert client.get(CODES + "download/").text.split() == codes
    new = sign_in()
    new.post("/account/2fa/authenticate/", {"code": codes[0]})
    assert get_user(new) == ann
    again = sign_in()
    again.post("/account/2fa/authenticate/", {"code": codes[0]})
    assert not get_user(again).is_authenticated
    assert client.get(CODES).context["unused_codes"] == codes[1:]


def test_new_recovery_codes_replace_the_old_ones(client):
    turn_on(client)
    old = client.get(CODES).context["unused_codes"]
    assert "The remaining 10 stop working." in client.get(CODES + "generate/").text
    assert client.post(CODES + "generate/")["Location"] == CODES
    new = client.get(CODES).context["unused_codes"]
    assert len(new) == 10
    assert not set(old) & set(new)


def test_turning_it_off_takes_the_password_again(client, ann):
    turn_on(client)
    other = sign_in()
    other.post("/account/2fa/authenticate/", {"code": client.get(CODES).context["unused_codes"][0]})
    assert other.post(DEACTIVATE)["Location"].startswith("/account/reauthenticate/")
    assert Authenticator.objects.filter(user=ann, type="totp").exists()
    assert "Turn off" in client.get(DEACTIVATE).text
    assert client.post(DEACTIVATE)["Location"] == reverse("mfa_index")
    assert not Authenticator.objects.filter(user=ann).exists()


def test_the_second_step_can_be_cancelled(client):
    turn_on(client)
    new = sign_in()
    assert new.post("/account/logout/", {"next": "/account/login/"})["Location"] == "/account/login/"
    assert new.get("/account/2fa/authenticate/")["Location"] == "/account/login/"


def test_a_password_reset_does_not_go_around_the_second_step(client, ann):
    turn_on(client)
    ann.refresh_from_db()
    ann.set_password("tremendous-gate-9")
    ann.save()
    new = Client()
    response = new.post("/account/login/", {"login": "ann@example.com", "password": "tremendous-gate-9"})
    assert response["Location"] == reverse("mfa_authenticate")


def test_the_page_says_whether_it_is_on(client):
    assert "Turn on" in client.get("/account/2fa/").text
    turn_on(client)
    page = html.unescape(client.get("/account/2fa/").text)
    assert "Turn off" in page
    assert "10 left" in page


def test_the_password_asked_for_again_must_be_right_and_a_code_will_do_as_well(client):
    secret = turn_on(client)
    response = client.post("/account/reauthenticate/", {"password": "wrong"})
    assert response.context["form"].errors == {"password": ["Incorrect password."]}
    assert "Use authenticator app or code" in response.text
    response = client.post("/account/2fa/reauthenticate/", {"code": code_of(secret), "next": CODES})
    assert response["Location"] == CODES


def test_what_second_factors_are_checked_with_is_in_no_dump_and_nowhere_in_the_database(client, ann):
    secret = turn_on(client)
    codes = client.get(CODES).context["unused_codes"]
    dump = io.StringIO()
    call_command("dumpdata", stdout=dump)
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        stored = str(cursor.fetchall())
    for text in (dump.getvalue(), stored):
        assert secret not in text
        assert not any(code in text for code in codes)
        assert not re.search(r"\b[0-9a-f]{80}\b", text), "the seed of the codes"


def test_rotation_takes_second_factors_along(client, ann, settings):
    secret = turn_on(client)
    codes = client.get(CODES).context["unused_codes"]
    new, old = Fernet.generate_key().decode(), settings.SECRETS_KEYS[0]
    settings.SECRETS_KEYS = (new, old)
    assert rotate_second_factors() == TextRotation(rotated=2)
    assert rotate_second_factors() == TextRotation(current=2)
    settings.SECRETS_KEYS = (new,)
    assert client.get(CODES).context["unused_codes"] == codes
    with time_machine.travel("2026-01-31T13:00:00Z", tick=False):
        stranger = Client()
        sign_in = stranger.post("/account/login/", {"login": ann.email, "password": PASSWORD})
        stranger.post(sign_in["Location"], {"code": code_of(secret)})
        assert get_user(stranger) == ann


def test_without_its_key_a_second_factor_lets_nobody_in_and_says_why(client, ann, settings):
    secret = turn_on(client)
    settings.SECRETS_KEYS = (Fernet.generate_key().decode(),)
    with time_machine.travel("2026-01-31T13:00:00Z", tick=False):
        stranger = Client()
        sign_in = stranger.post("/account/login/", {"login": ann.email, "password": PASSWORD})
        response = stranger.post(sign_in["Location"], {"code": code_of(secret)})
    assert response.status_code == 403
    assert "add it to SECRETS_KEYS" in response.text
    assert not get_user(stranger).is_authenticated
    output = io.StringIO()
    with pytest.raises(CommandError, match="2 values cannot be decrypted"):
        call_command("rotate_secrets", stdout=output)
    assert f"Cannot be decrypted: second factor of account {ann.pk}. Left unchanged." in output.getvalue()


def test_a_second_factor_cannot_be_replaced_by_a_secret_of_the_vault(client, ann):
    turn_on(client)
    factor = Authenticator.objects.get(type="totp")
    factor.data = {"secret": encrypt_value(1, "password", "JBSWY3DPEHPK3PXP")}
    factor.save()
    with pytest.raises(PermissionDenied):
        factor.wrap().validate_code("123456")
