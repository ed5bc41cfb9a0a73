from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from mailadmin.http_api import api_keys
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import PASSWORD, make_user
from users.forms import time_zones
from users.models import User

PROFILE = "/account/profile/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann():
    return make_user(name="Ann")


def test_somebody_changes_name_language_and_time_zone(ann):
    client = signed_in(ann)
    response = client.post(PROFILE, {"name": "Ann Lee", "language": "en", "time_zone": "Europe/Berlin"}, follow=True)
    assert response.redirect_chain == [(PROFILE, 302)]
    assert "Saved." in response.text
    ann.refresh_from_db()
    assert (ann.name, ann.time_zone) == ("Ann Lee", "Europe/Berlin")


@pytest.mark.both_databases
def test_what_is_wrong_is_said_at_the_field_and_nothing_is_changed(ann):
    for field, value in [
        ("name", "x" * 151),
        ("name", "two\nlines"),
        ("name", "nul\x00"),
        ("name", "in\u2028side"),
        ("language", "xx"),
        ("language", ""),
        ("time_zone", "Mars/Base"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", ""),
    ]:
        with case(field, value):
            fields = {"name": "New", "language": "en", "time_zone": "Asia/Tokyo", field: value}
            response = signed_in(ann).post(PROFILE, fields)
            assert response.status_code == 422
            assert list(response.context["form"].errors) == [field]
            assert 'class="avatar"' in response.text
            ann.refresh_from_db()
            assert (ann.name, ann.time_zone) == ("Ann", "UTC")


def test_nobody_gives_themselves_rights_or_another_address(ann):
    fields = {"name": "Ann", "language": "en", "time_zone": "UTC"}
    more = {"is_superuser": "on", "email": "boss@example.com", "groups": "1", "user_permissions": "1", "is_active": ""}
    signed_in(ann).post(PROFILE, fields | more)
    ann.refresh_from_db()
    assert not ann.is_superuser
    assert ann.is_active
    assert ann.email == "ann@example.com"
    assert not ann.get_all_permissions()


def test_every_time_zone_can_be_chosen():
    names = [name for name, inner in time_zones() if isinstance(inner, str)]
    names += [name for _, inner in time_zones() if not isinstance(inner, str) for name, _ in inner]
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kolkata"} <= set(names)
    assert len(names) == len(set(names)) > 400
    for name in names:
        User(email="a@example.com", password="x", time_zone=name).clean_fields()


@pytest.mark.both_databases
def test_an_address_has_one_account_in_any_case(ann):
    with pytest.raises(IntegrityError):
        User.objects.bulk_create([User(email="ANN@example.com")])


@pytest.mark.parametrize("email", ["Ann@Example.COM", " ann@example.com "])
def test_a_second_account_of_an_address_is_refused_in_plain_words(ann, email):
    with pytest.raises(ValidationError) as refusal:
        User(email=email.strip(), password="x").full_clean()
    assert refusal.value.messages == ["There is already an account with this email address."]


def test_the_links_to_the_other_pages_are_there(ann):
    page = signed_in(ann).get(PROFILE).text
    for path in ("/account/password/change/", "/account/2fa/", "/account/sessions/"):
        assert f'href="{path}"' in page


def test_the_avatar_shows_initials():
    for name, email, initials in [
        ("Ann Lee", "x@example.com", "AL"),
        ("Ann", "x@example.com", "A"),
        ("", "bo@example.com", "BO"),
        ("! ?", "bo@x.org", "BO"),
    ]:
        assert User(name=name, email=email).initials == initials, (name, email)


def test_a_changed_password_leads_to_the_keys_that_still_work(admin, admin_client):
    passwords = {"oldpassword": PASSWORD, "password1": "tremendous-gate-9", "password2": "tremendous-gate-9"}
    api_keys.make(admin, name="Web shop", scopes=["mails:send"], lifetime=timedelta(days=30))
    response = admin_client.post("/account/password/change/", passwords, follow=True)
    assert response.redirect_chain == [("/mail/api-keys/revocation/", 302)]
    assert "Web shop" in response.text
