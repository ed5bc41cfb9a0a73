import io
import threading
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse

from tests.cases import case, rolled_back
from tests.config.hostile import CONTROL, FORM, HOSTILE, encoded, forms_of
from tests.factories import PASSWORD, make_admin, make_user
from users.models import FirstSetup, User
from users.setup import AlreadySetUp, create_first_admin, link_with_token, setup_link, token

FIELDS = {
    "email": "First@Example.com",
    "name": "First Person",
    "password": "correct-horse-battery",
    "password_again": "correct-horse-battery",
}


def texts(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.mark.django_db
def test_the_first_visitor_makes_the_administrator_and_is_signed_in():
    client = Client()
    client.get("/setup/")
    before = client.session.session_key
    response = client.post("/setup/", FIELDS)
    assert response.status_code == 302
    assert response["Location"] == reverse("overview")
    user = User.objects.get()
    assert user.email == "first@example.com"
    assert user.name == "First Person"
    assert user.is_superuser
    assert user.check_password("correct-horse-battery")
    assert get_user(client) == user
    assert client.session.session_key != before
    assert UserSession.objects.get(user=user).session_key == client.session.session_key
    welcome = texts(client.get("/account/profile/"))
    assert welcome == ["Welcome. Your account was created, and you are the administrator."]


@pytest.mark.django_db
def test_the_set_up_page_is_gone_once_there_is_an_account(client, colleague):
    for method in (client.get, client.post):
        response = method("/setup/", FIELDS, follow=True)
        assert response.redirect_chain == [(reverse("account_login"), 302)]
        assert "Mailadmin is already set up. Sign in with your account." in texts(response)
    assert User.objects.get() == colleague


@pytest.mark.django_db
def test_the_set_up_page_stays_gone_when_all_accounts_are_deleted(client):
    make_admin()
    User.objects.all().delete()
    assert client.get("/setup/")["Location"] == reverse("account_login")
    client.post("/setup/", FIELDS)
    assert not User.objects.exists()
    assert client.get("/account/login/").status_code == 200


@pytest.mark.django_db
@pytest.mark.both_databases
def test_what_is_wrong_is_said_at_the_field_and_nothing_is_stored(client):
    for field, value, error in [
        ("email", "", "This field is required."),
        ("email", "nobody", "Enter a valid email address."),
        ("email", "a@b.example\nBcc: c@d.example", "Enter a valid email address."),
        ("email", "x" * 250 + "@example.com", "Ensure this value has at most 254 characters"),
        ("email", "nul\x00@example.com", "Null characters are not allowed."),
        ("name", "x" * 151, "Ensure this value has at most 150 characters"),
        ("name", "two\r\nlines", "Line breaks and other control characters are not allowed here."),
        ("name", "nul\x00", "Null characters are not allowed."),
        ("name", "bell\x07", "Line breaks and other control characters are not allowed here."),
        ("password", "", "This field is required."),
        ("password", "short", "This password is too short."),
        ("password", "password123", "This password is too common."),
        ("password", "first@example.com", "The password is too similar to the email address."),
        ("password_again", "something-else", "The two passwords do not match."),
    ]:
        with case(field, value):
            data = {**FIELDS, field: value}
            if field == "password":
                data["password_again"] = value
            response = client.post("/setup/", data)
            assert response.status_code == 422
            assert any(text.startswith(error) for text in response.context["form"].errors[field])
            assert not User.objects.exists()
            assert not FirstSetup.objects.exists()


@pytest.mark.django_db
def test_no_value_of_a_field_breaks_the_set_up():
    (action, fields), *_ = forms_of(Client().get("/setup/"), "/setup/")
    assert FIELDS.keys() <= fields.keys()
    for name in FIELDS:
        for kind, value in HOSTILE.items():
            with rolled_back(name, kind):
                response = Client().post(action, encoded({**FIELDS, name: value}), content_type=FORM)
                users = list(User.objects.all())
                assert response.status_code in {302, 422}
                assert len(users) == (response.status_code == 302)
                assert not [user for user in users if CONTROL.search(user.name + user.email)]
    assert Client().post(action, encoded(FIELDS), content_type=FORM).status_code == 302


@pytest.mark.django_db
def test_the_password_is_not_sent_back_with_the_errors(client):
    response = client.post("/setup/", {**FIELDS, "email": "wrong"})
    assert FIELDS["password"] not in response.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_databases
def test_of_two_browsers_that_set_up_at_once_exactly_one_makes_the_administrator():
    barrier = threading.Barrier(2)
    answers, signed_in = {}, {}

    def visit(email: str) -> None:
        client = Client()
        client.get("/setup/")
        barrier.wait()
        answers[email] = client.post("/setup/", {**FIELDS, "email": email})
        signed_in[email] = bool(client.session.get("_auth_user_id"))
        connection.close()

    threads = [threading.Thread(target=visit, args=(f"{name}@example.com",)) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    user = User.objects.get()
    for email, answer in answers.items():
        assert answer.status_code == 302
        assert signed_in[email] == (email == user.email)
        assert answer["Location"] == (reverse("overview") if email == user.email else reverse("account_login"))


@pytest.mark.django_db
@pytest.mark.both_databases
def test_the_second_of_two_open_forms_is_told_plainly(client, monkeypatch):
    # The account appears after the page has looked and before it stores: the moment of the race, held still.
    monkeypatch.setattr("users.views.is_done", lambda: False)
    create_first_admin(email="ann@example.com", password=PASSWORD)
    response = client.post("/setup/", FIELDS, follow=True)
    assert response.redirect_chain == [(reverse("account_login"), 302)]
    assert any("Someone else has just created the first account" in text for text in texts(response))
    assert User.objects.get().email == "ann@example.com"


@pytest.mark.django_db
def test_an_account_made_otherwise_also_ends_the_set_up():
    make_user()
    with pytest.raises(AlreadySetUp):
        create_first_admin(email="second@example.com", password=PASSWORD)
    assert User.objects.count() == 1
    assert not FirstSetup.objects.exists()


# ---------------------------------------------------------------- without a browser


@pytest.mark.django_db
def test_the_environment_makes_the_administrator_once(settings, capsys, client):
    settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD = "boss@example.com", "tremendous-gate-9"
    call_command("ensure_admin")
    call_command("ensure_admin")
    user = User.objects.get()
    assert user.email == "boss@example.com"
    assert user.is_superuser
    assert user.check_password("tremendous-gate-9")
    assert client.get("/setup/")["Location"] == reverse("account_login")
    printed = capsys.readouterr().out
    assert printed == "Administrator boss@example.com was created.\n"


@pytest.mark.django_db
def test_the_environment_never_changes_an_account(settings):
    make_user("boss@example.com")
    settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD = "boss@example.com", "weak"
    call_command("ensure_admin")
    user = User.objects.get()
    assert user.check_password(PASSWORD)
    assert not user.is_superuser


@pytest.mark.django_db
def test_without_the_variables_the_command_tells_how_to_begin(capsys):
    call_command("ensure_admin")
    assert not User.objects.exists()
    assert capsys.readouterr().out == f"Create the first administrator at {link_with_token()}\n"


@pytest.mark.django_db
def test_a_weak_password_in_the_environment_is_refused_by_the_name_of_its_variable(settings, capsys):
    settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD = "boss@example.com", "hunter2"
    with pytest.raises(CommandError) as refusal:
        call_command("ensure_admin")
    assert str(refusal.value).startswith("MAILADMIN_ADMIN_PASSWORD: This password is too short.")
    assert refusal.value.returncode == 1
    assert "hunter2" not in str(refusal.value) + capsys.readouterr().out
    assert not User.objects.exists()
    assert not FirstSetup.objects.exists()


@pytest.mark.django_db
def test_createsuperuser_makes_an_administrator_and_closes_the_set_up(client, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", "--noinput", "--email", "Boss@example.com", verbosity=0)
    assert User.objects.get().email == "boss@example.com"
    assert FirstSetup.objects.exists()
    assert client.get("/setup/")["Location"] == reverse("account_login")
    assert client.login(email="boss@example.com", password=PASSWORD)


OPEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"WEB_HOST": "0.0.0.0"}, {}),
    ({"BASE_URL": "https://mail.example.com"}, {}),
    ({}, {"REMOTE_ADDR": "192.0.2.7"}),
    ({}, {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}),
    ({}, {"HTTP_FORWARDED": "for=192.0.2.7"}),
]


@pytest.mark.django_db
def test_on_an_open_network_nobody_sets_up_without_the_token(settings):
    for changes, meta in OPEN:
        with case(changes, meta), override_settings(**changes):
            stranger = Client(**meta)
            for path in ("/setup/", "/setup/?token=", "/setup/?token=" + "0" * 32, "/setup/?token=%00%FF"):
                assert stranger.get(path).status_code == 403
                assert stranger.post(path, FIELDS).status_code == 403
            assert token() not in stranger.get("/setup/").text
            assert not User.objects.exists()


@pytest.mark.django_db
def test_the_printed_link_opens_the_page_from_anywhere(settings):
    for changes, meta in OPEN:
        with rolled_back(changes, meta), override_settings(**changes):
            output = io.StringIO()
            call_command("ensure_admin", stdout=output)
            client = Client(**meta)
            path = f"/setup/?token={token()}"
            assert path in output.getvalue()
            assert client.get(path).status_code == 200
            assert client.post(path, FIELDS)["Location"] == reverse("overview")
            assert User.objects.get().is_superuser


@pytest.mark.django_db
def test_at_this_machine_no_token_is_needed():
    assert setup_link() == "http://127.0.0.1:8000/setup/"
    assert Client(REMOTE_ADDR="::1").get("/setup/").status_code == 200
