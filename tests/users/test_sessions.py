import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse

from tests.conftest import signed_in
from tests.factories import PASSWORD, make_user
from users.templatetags.account_pages import browser

SESSIONS = "/account/sessions/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1"

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def ann():
    return make_user()


def sign_in(user_agent: str) -> Client:
    client = Client(headers={"user-agent": user_agent})
    client.post("/account/login/", {"login": "ann@example.com", "password": PASSWORD})
    return client


def is_signed_in(client) -> bool:
    return bool(client.get("/account/profile/").status_code == 200)


def session_of(client) -> UserSession:
    return UserSession.objects.get(session_key=client.session.session_key)


def test_the_page_lists_where_the_account_is_signed_in(ann):
    here, _there = sign_in(FIREFOX), sign_in(IPHONE)
    page = here.get(SESSIONS).text
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" in page
    assert "127.0.0.1" in page
    assert page.count("This one") == 1
    assert str(here.session.session_key) not in page


def test_one_other_session_can_be_signed_out(ann):
    here, there, third = sign_in(FIREFOX), sign_in(IPHONE), sign_in(IPHONE)
    response = here.post(reverse("users:session_ending", args=[session_of(there).pk]))
    assert response["Location"] == SESSIONS
    assert not is_signed_in(there)
    assert is_signed_in(here)
    assert is_signed_in(third)


def test_all_other_sessions_can_be_signed_out(ann):
    here, there, third = sign_in(FIREFOX), sign_in(IPHONE), sign_in(IPHONE)
    response = here.post(SESSIONS, follow=True)
    assert "All other sessions were signed out." in response.text
    assert [is_signed_in(client) for client in (here, there, third)] == [True, False, False]


def test_ending_this_session_signs_out(ann):
    here = sign_in(FIREFOX)
    here.post(reverse("users:session_ending", args=[session_of(here).pk]))
    assert not is_signed_in(here)


def test_nobody_ends_somebody_else_s_session(ann):
    here = sign_in(FIREFOX)
    stranger = signed_in(make_user("bob@example.com"))
    url = reverse("users:session_ending", args=[session_of(here).pk])
    assert stranger.post(url).status_code == 404
    assert Client().post(url)["Location"].startswith("/account/login/")
    assert is_signed_in(here)


def test_ending_a_session_takes_a_post_and_a_session_that_is_there(ann):
    here, there = sign_in(FIREFOX), sign_in(IPHONE)
    assert here.get(reverse("users:session_ending", args=[session_of(there).pk])).status_code == 405
    assert here.post(reverse("users:session_ending", args=[10**30])).status_code == 404
    assert is_signed_in(there)


def test_browsers_are_called_by_their_names():
    for header, name in [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.0 Safari/537.36 Edg/138.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/138.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.5 Safari/605.1.15", "Safari on macOS"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "Unknown browser"),
        ("x" * 5000, "x" * 60),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ]:
        assert browser(header) == name, header
