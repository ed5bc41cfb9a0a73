import pytest
from django.contrib.auth import get_user
from django.test import Client
from django.urls import reverse

from tests.cases import rolled_back
from tests.factories import PASSWORD, make_user

LOGIN = "/account/login/"
WRONG = "The email address and/or password you specified are not correct."

pytestmark = pytest.mark.django_db


def sign_in(client, email="ann@example.com", password=PASSWORD, **fields):
    return client.post(LOGIN, {"login": email, "password": password, **fields})


def test_somebody_signs_in_and_comes_to_the_overview(client):
    user = make_user()
    response = sign_in(client)
    assert response["Location"] == reverse("overview")
    assert get_user(client) == user


@pytest.mark.parametrize("email", ["ANN@example.com", "  ann@Example.COM "])
def test_the_address_may_be_typed_in_any_case(client, email):
    user = make_user()
    sign_in(client, email)
    assert get_user(client) == user


def test_the_session_gets_a_new_key_at_the_sign_in(client):
    make_user()
    client.get("/setup/")  # leaves a message, so there is a session or a cookie
    session = client.session
    session["before"] = "x"
    session.save()
    before = session.session_key
    sign_in(client)
    assert client.session.session_key != before
    assert not client.session.__class__(before).exists(before)


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(client):
    make_user()
    answers = [sign_in(client, password="wrong-password"), sign_in(client, email="nobody@example.com")]
    for answer in answers:
        assert answer.status_code == 200
        assert answer.context["form"].errors == {"__all__": [WRONG]}
    assert not get_user(client).is_authenticated


def test_a_closed_account_is_told_so_only_with_the_right_password(client):
    make_user(is_active=False)
    assert sign_in(client, password="wrong-password").context["form"].errors == {"__all__": [WRONG]}
    response = sign_in(client)
    assert response["Location"] == reverse("account_inactive")
    assert "This account is closed" in client.get(response["Location"]).text
    assert not get_user(client).is_authenticated


def test_after_five_wrong_passwords_even_the_right_one_has_to_wait(client):
    make_user()
    for _ in range(5):
        sign_in(client, password="wrong-password")
    answer = sign_in(client)
    assert answer.context["form"].errors == {"__all__": ["Too many failed login attempts. Try again later."]}
    assert not get_user(client).is_authenticated


def test_guessing_is_slowed_down_for_unknown_addresses_just_the_same(client):
    make_user()
    for _ in range(5):
        sign_in(client, "nobody@example.com", "wrong-password")
    answer = sign_in(client, "nobody@example.com", "wrong-password")
    assert answer.context["form"].errors == {"__all__": ["Too many failed login attempts. Try again later."]}


def test_a_flood_of_sign_ins_gets_429_in_our_design(client):
    make_user()
    answers = [sign_in(client, f"{number}@example.com", "wrong-password") for number in range(31)]
    assert answers[-1].status_code == 429
    assert "Too many attempts" in answers[-1].text
    assert "skeleton.html" in [template.name for template in answers[-1].templates]


def test_the_sign_in_leads_to_no_other_site(client):
    for target in [
        "//evil.example/",
        "https://evil.example/",
        "http:///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "http://localhost/log/",
        "/log/\x00",
        "evil",
        " //evil.example",
        "/%0a/evil.example\n",
    ]:
        with rolled_back(target):
            make_user()
            response = client.post(
                f"{LOGIN}?next={target}", {"login": "ann@example.com", "password": PASSWORD, "next": target}
            )
            assert response["Location"] == reverse("overview")
            assert client.get("/account/logout/", {"next": target}).status_code == 200
            response = client.post("/account/logout/", {"next": target})
            assert response["Location"] == "/"


def test_the_sign_in_leads_back_to_the_page_that_asked_for_it(client):
    make_user()
    response = client.get("/account/profile/")
    assert response["Location"] == f"{LOGIN}?next=/account/profile/"
    assert 'name="next" value="/account/profile/"' in client.get(response["Location"]).text
    assert sign_in(client, next="/account/profile/")["Location"] == "/account/profile/"


def test_signing_out_takes_a_post(client):
    make_user()
    sign_in(client)
    assert client.get("/account/logout/").status_code == 200
    assert get_user(client).is_authenticated
    response = client.post("/account/logout/", follow=True)
    assert not get_user(client).is_authenticated
    assert "You have been signed out." in response.text


def test_a_form_without_its_token_is_refused():
    make_user()
    client = Client(enforce_csrf_checks=True)
    assert sign_in(client).status_code == 403


def test_nobody_can_sign_up(client):
    make_user()
    fields = {"email": "new@example.com", "password1": "tremendous-gate-9", "password2": "tremendous-gate-9"}
    for response in (client.get("/account/signup/"), client.post("/account/signup/", fields)):
        assert "Administrators create accounts" in response.text
    assert not get_user(client).is_authenticated


def test_there_is_no_second_way_in_through_json(client):
    make_user()
    response = client.post(
        LOGIN, {"login": "ann@example.com", "password": "wrong"}, headers={"X-Requested-With": "XMLHttpRequest"}
    )
    assert response["Content-Type"].startswith("text/html")
