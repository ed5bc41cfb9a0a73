"""The error pages: each says what happened and what to do, in the site's own frame where that can still be drawn."""

import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import path

from config import urls as project_urls
from config.web import error_views
from tests.cases import case


def refuse(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied("Only an owner may share this secret.")


def crash(request: HttpRequest) -> HttpResponse:
    raise ValueError("the-reason-is-for-the-log")


urlpatterns = [path("refuse/", refuse), path("crash/", crash), *project_urls.urlpatterns]
handler403 = project_urls.handler403
handler404 = project_urls.handler404
handler500 = project_urls.handler500


class VisitorOfALostDatabase:
    """A user that is looked up when first asked about, as the session's is."""

    @property
    def is_authenticated(self) -> bool:
        raise OperationalError("connection refused")


def text_of(response: HttpResponse) -> str:
    return response.content.decode()


@pytest.fixture
def own_urls(settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def no_static_manifest(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
    }


def test_a_stranger_sees_the_missing_page_without_the_menu(rf):
    request = rf.get("/nowhere/")
    request.user = AnonymousUser()
    response = error_views.page_not_found(request, Http404("the-name-of-a-row"))
    assert response.status_code == 404
    assert "<h1>Page not found</h1>" in text_of(response)
    assert 'id="sidebar"' not in text_of(response)
    assert "the-name-of-a-row" not in text_of(response)


@pytest.mark.django_db
def test_a_signed_in_user_keeps_the_menu_on_a_missing_page(admin_client, own_urls):
    response = admin_client.get("/nowhere/")
    assert response.status_code == 404
    assert 'id="sidebar"' in text_of(response)


@pytest.mark.django_db
def test_a_refusal_gives_its_reason(admin_client, own_urls):
    response = admin_client.get("/refuse/")
    assert response.status_code == 403
    assert "Only an owner may share this secret." in text_of(response)


@pytest.mark.django_db
def test_a_crash_is_answered_without_telling_why(admin_client, own_urls):
    admin_client.raise_request_exception = False
    response = admin_client.get("/crash/")
    assert response.status_code == 500
    assert "<h1>Something went wrong here</h1>" in text_of(response)
    assert "the-reason-is-for-the-log" not in text_of(response)


def test_an_unknown_host_name_gets_400_and_the_hint_to_allowed_hosts(client):
    response = client.get("/healthz", headers={"host": "elsewhere.example"})
    assert response.status_code == 400
    assert "ALLOWED_HOSTS" in text_of(response)
    assert "elsewhere.example" not in text_of(response)


def test_pages_for_our_own_faults_need_neither_database_nor_static_manifest(rf, no_static_manifest):
    with pytest.raises(ValueError, match="manifest"):
        static("css/main.css")
    for page, status in [
        (lambda request: error_views.bad_request(request, ValueError()), 400),
        (error_views.server_error, 500),
        (error_views.database_unavailable, 503),
    ]:
        with case(status):
            response = page(rf.get("/"))  # without the django_db mark, any query would raise
            assert response.status_code == status
            assert 'href="/static/css/main.css"' in text_of(response)


def test_a_lost_database_says_when_to_try_again(rf):
    assert error_views.database_unavailable(rf.get("/")).headers["Retry-After"] == "10"


def test_a_database_lost_while_drawing_an_error_page_is_answered_503(rf):
    for answer in (error_views.page_not_found, error_views.permission_denied):
        with case(answer.__name__):
            request = rf.get("/nowhere/")
            request.user = VisitorOfALostDatabase()
            assert answer(request, Http404()).status_code == 503


@pytest.mark.django_db
def test_a_form_without_its_token_is_refused_in_plain_words(client, admin):
    client.handler.enforce_csrf_checks = True  # an account exists, or every page would lead to the first visit
    response = client.post("/account/login/", {"login": "ann@example.com", "password": "x"})
    assert response.status_code == 403
    assert "This form was not accepted" in text_of(response)


def test_error_pages_obey_the_content_security_policy(rf):
    for page in (error_views.server_error, error_views.database_unavailable):
        with case(page.__name__):
            assert not re.search(r"<style|<script|\sstyle=|\son\w+=", text_of(page(rf.get("/"))))
