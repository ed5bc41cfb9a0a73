import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from tests.cases import case
from tests.config.site import PAGES
from tests.conftest import signed_in
from tests.factories import make_user
from users.middleware import PreferencesMiddleware
from users.models import User


@pytest.mark.django_db
def test_every_page_leads_to_the_set_up_while_there_is_no_account(client):
    for path in ["/", "/account/login/", "/account/password/reset/", "/log/", "/nothing/here/"]:
        with case(path):
            assert client.get(path)["Location"] == "/setup/"
            assert client.post(path)["Location"] == "/setup/"


@pytest.mark.django_db
def test_before_the_set_up_no_page_of_the_site_shows_anything_else(client):
    for page in PAGES:
        with case(page.path):
            response = client.get(page.filled())
            if page.path in {"/healthz", "/setup/"}:
                assert response.status_code == 200
            elif page.path == "/api/v1/openapi.json":
                assert response.status_code == 401
            elif page.path == "/api/v1/docs":
                assert response["Location"].startswith("/account/login/")
            else:
                assert (response.status_code, response["Location"]) == (302, "/setup/")


@pytest.mark.django_db
def test_the_set_up_health_and_static_files_are_served_before_the_first_account(client):
    assert client.get("/setup/").status_code == 200
    for path in ("/healthz", "/static/css/main.css"):
        assert client.get(path).headers.get("Location") is None


@pytest.mark.django_db
def test_whether_there_is_an_account_is_asked_until_there_is_one(django_assert_num_queries):
    client = Client()
    assert client.get("/account/signup/")["Location"] == "/setup/"
    make_user()
    with django_assert_num_queries(1):
        assert client.get("/account/signup/").status_code == 200
    with django_assert_num_queries(0):
        client.get("/account/signup/")


def seen_by(user: User, rf) -> tuple[str, str]:
    """The language and the time zone in which this person's pages are made."""
    seen = []

    def page(request):
        seen.append((translation.get_language(), timezone.get_current_timezone_name()))
        return request

    request = rf.get("/")
    request.user = user
    with translation.override("en"):
        PreferencesMiddleware(page)(request)
        assert timezone.get_current_timezone_name() == "UTC"
    return seen[0]


def test_pages_are_in_the_person_s_language_and_time_zone(rf, settings):
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    assert seen_by(User(language="de", time_zone="Europe/Berlin"), rf) == ("de", "Europe/Berlin")


def test_a_language_or_time_zone_that_is_no_longer_there_is_passed_over(rf):
    assert seen_by(User(language="xx", time_zone="Mars/Base"), rf) == ("en", "UTC")
    assert seen_by(User(language="", time_zone="../../etc/passwd"), rf) == ("en", "UTC")


@pytest.mark.django_db
def test_the_time_zone_shows_on_the_page():
    user = make_user(time_zone="Asia/Tokyo")
    response = signed_in(user).get(reverse("users:account"))
    assert "JST" in response.text
