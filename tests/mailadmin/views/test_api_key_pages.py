"""Pages of API keys: a key is shown once, has no more permissions than its owner, and ends when revoked."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mailadmin.http_api import api_keys
from mailadmin.models.api_key import ApiKey
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import PASSWORD, make_user
from tests.mailadmin.http_api.programs import Program

pytestmark = pytest.mark.django_db

KEYS, NEW = "/mail/api-keys/", "/mail/api-keys/new/"
FORM = {"name": "Web shop", "scopes": ["mails:send", "mails:read"], "days": "90", "password": PASSWORD}


def html_of(response):
    return response.content.decode()


def test_a_new_key_is_shown_once_and_works(admin, admin_client):
    response = admin_client.post(NEW, FORM)
    assert response.status_code == 201
    assert "no-store" in response["Cache-Control"]
    (key,) = re.findall(r'value="(mk_[\w-]{43})"', html_of(response))
    stored = ApiKey.objects.get()
    assert (stored.name, stored.scope_list, stored.owner) == ("Web shop", ["mails:send", "mails:read"], admin)
    assert timedelta(days=89) < stored.expires_at - timezone.now() < timedelta(days=90)
    assert Program(admin, stored, key).get("/mails").status_code == 200
    listed = html_of(admin_client.get(KEYS))
    assert "Web shop" in listed
    assert stored.prefix in listed
    assert key not in listed


@pytest.mark.both_databases
def test_reloading_the_response_creates_no_second_key(admin_client):
    admin_client.post(NEW, FORM)
    again = admin_client.post(NEW, FORM)
    assert again.status_code == 422
    assert "You already have a key with this name" in html_of(again)
    assert 'value="Web shop"' in html_of(again)
    assert ApiKey.objects.count() == 1


def test_errors_are_shown_at_the_field(admin_client):
    table: list[tuple[dict[str, Any], str]] = [
        ({"name": ""}, "This field is required."),
        ({"name": "a" * 101}, "at most 100 characters"),
        ({"name": "a\u0085b"}, "control characters"),
        ({"scopes": []}, "Choose at least one."),
        ({"scopes": ["mails:all"]}, "mails:all is not one of the available choices"),
        ({"days": "9999"}, "9999 is not one of the available choices"),
    ]
    for change, words in table:
        with case(change):
            response = admin_client.post(NEW, {**FORM, **change})
            assert response.status_code == 422
            assert words in html_of(response)
            assert not ApiKey.objects.exists()


def test_only_scopes_that_the_owner_has_permissions_for_are_offered(db):
    person = make_user("bob@example.com", "mailadmin.use_api", "maillog.view_log")
    html = html_of(signed_in(person).get(NEW))
    assert re.findall(r'name="scopes" value="([\w:]+)"', html) == ["mails:read"]
    refused = signed_in(person).post(NEW, FORM)
    assert "mails:send is not one of the available choices" in html_of(refused)
    nothing = make_user("cat@example.com", "mailadmin.use_api")
    assert "Your key could not do anything" in html_of(signed_in(nothing).get(NEW))


def test_a_person_sees_and_revokes_only_keys_of_their_own(admin, admin_client):
    person = make_user("bob@example.com", "mailadmin.use_api", "maillog.view_log")
    theirs, _ = api_keys.make(person, name="Mine", scopes=["mails:read"], lifetime=timedelta(days=30))
    other, _ = api_keys.make(admin, name="Hers", scopes=["mails:read"], lifetime=timedelta(days=30))
    client = signed_in(person)
    html = html_of(client.get(KEYS))
    assert ("Mine" in html, "Hers" in html) == (True, False)
    assert client.post(f"{KEYS}{other.pk}/revocation/").status_code == 404
    assert client.get(f"{KEYS}{other.pk}/revocation/").status_code == 404
    everybodys = html_of(admin_client.get(KEYS))
    assert "Mine" in everybodys
    assert "bob@example.com" in everybodys
    assert admin_client.post(f"{KEYS}{theirs.pk}/revocation/")["Location"] == KEYS
    theirs.refresh_from_db()
    assert theirs.revoked_by == str(admin)
    assert "by admin@example.com" in html_of(client.get(KEYS))


def test_managing_keys_requires_no_key_of_your_own(admin):
    theirs, _ = api_keys.make(admin, name="Hers", scopes=["mails:read"], lifetime=timedelta(days=30))
    client = signed_in(make_user("guard@example.com", "mailadmin.manage_keys"))
    html = html_of(client.get(KEYS))
    assert "Hers" in html
    assert "New key" not in html
    assert 'aria-current="page"' in html
    assert client.post(f"{KEYS}{theirs.pk}/revocation/").status_code == 302
    assert client.get(NEW).status_code == 403


def test_revoking_asks_for_confirmation_and_frees_the_name(admin, admin_client):
    admin_client.post(NEW, FORM)
    place = f"{KEYS}{ApiKey.objects.get().pk}/revocation/"
    assert "refused from their next request on" in html_of(admin_client.get(place))
    assert ApiKey.objects.get().revoked_at is None
    done = admin_client.post(place, follow=True)
    assert "“Web shop” was revoked" in html_of(done)
    assert "was already revoked" in html_of(admin_client.post(place, follow=True))
    assert admin_client.post(NEW, FORM).status_code == 201


@pytest.mark.parametrize(("days", "words"), [(40, "Valid"), (5.5, "5 days left"), (1.5, "1 day left"), (-1, "Expired")])
def test_the_list_says_how_long_a_key_is_valid(admin, admin_client, days, words):
    api_keys.make(admin, name="Shop", scopes=["mails:send"], lifetime=timedelta(days=days))
    assert words in html_of(admin_client.get(KEYS))


def test_a_key_is_created_only_with_the_password(admin_client):
    for password, words in [("", "This field is required."), ("wrong-password", "This is not your password.")]:
        with case(password):
            response = admin_client.post(NEW, {**FORM, "password": password})
            assert response.status_code == 422
            assert words in html_of(response)
            assert not ApiKey.objects.exists()


def test_the_password_cannot_be_guessed_here(admin_client):
    for _ in range(10):
        admin_client.post(NEW, {**FORM, "password": "wrong-password"})
    response = admin_client.post(NEW, FORM)
    assert "Too many attempts. Try again in a minute." in html_of(response)
    assert not ApiKey.objects.exists()


def test_senders_are_stored_as_patterns_and_listed(admin_client):
    admin_client.post(NEW, {**FORM, "senders": "Shop@Example.com\n *@news.example.com,\n\n"})
    assert ApiKey.objects.get().sender_patterns == ["shop@example.com", "*@news.example.com"]
    assert "shop@example.com, *@news.example.com" in html_of(admin_client.get(KEYS))


def test_a_sender_that_is_no_pattern_is_refused_at_its_field(admin_client):
    response = admin_client.post(NEW, {**FORM, "senders": "a@example.com\nshop@*.com"})
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"senders"}
    assert "shop@*.com" in html_of(response)


def test_all_own_keys_are_revoked_at_once_and_nobody_elses(admin, admin_client):
    person = make_user("bob@example.com", "mailadmin.use_api")
    for owner, name in [(admin, "Shop"), (admin, "Backup"), (person, "Of Bob")]:
        api_keys.make(owner, name=name, scopes=["mails:send"], lifetime=timedelta(days=30))
    page = html_of(admin_client.get("/mail/api-keys/revocation/"))
    assert "Shop" in page
    assert "Backup" in page
    assert "Of Bob" not in page
    assert "2 keys were revoked." in html_of(admin_client.post("/mail/api-keys/revocation/", follow=True))
    assert [key.name for key in ApiKey.objects.filter(revoked_at=None)] == ["Of Bob"]
    assert admin_client.get("/mail/api-keys/revocation/")["Location"] == KEYS
