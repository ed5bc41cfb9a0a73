"""The headers of every answer: nothing foreign runs, nothing is guessed, framed or kept, and cookies stay put."""

import pytest
from django.test import Client
from django.urls import path

from config import urls as project_urls
from tests.cases import case
from tests.config.site import PAGES, PROGRAMS, freshly_signed_in, undone

pytestmark = pytest.mark.django_db

handler400 = project_urls.handler400
handler403 = project_urls.handler403
handler404 = project_urls.handler404
handler500 = project_urls.handler500


def crash(request):
    raise ValueError("on purpose")


urlpatterns = [path("crash/", crash), *project_urls.urlpatterns]
FRAMES = [page for page in PAGES if page.path.endswith(("/preview/", "/frame/"))]


def policy(response) -> dict[str, list[str]]:
    """The Content-Security-Policy by directive."""
    directives = [directive.split() for directive in response.headers["Content-Security-Policy"].split(";")]
    return {words[0]: words[1:] for words in directives if words}


def check(response, *, frame: str = "DENY", referrer: str = "same-origin"):
    """Check what holds for all answers."""
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == frame
    assert response.headers["Referrer-Policy"] == referrer
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    caching = response.headers["Cache-Control"]
    assert "no-store" in caching
    assert "private" in caching
    for cookie in response.cookies.values():
        assert cookie["httponly"], cookie.key
        assert cookie["samesite"] in {"Lax", "Strict"}, cookie.key
    assert policy(response)["default-src"] == ["'none'"]


def check_page(response):
    """Check what holds for the site's own pages."""
    check(response)
    rules = policy(response)
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    for directive in ("script-src", "style-src", "connect-src", "form-action"):
        assert rules[directive] == ["'self'"], directive
    assert rules["frame-ancestors"] == rules["base-uri"] == ["'none'"]


@pytest.fixture
def visitors(site):
    return {
        "anonymous": Client(),
        "colleague": freshly_signed_in(site.person()),
        "administrator": freshly_signed_in(site.admin),
    }


def test_every_page_has_them_for_everybody(site, visitors):
    for page in PAGES:
        for who, client in visitors.items():
            if page not in FRAMES:
                with undone(client, who, page.path):
                    check_page(client.get(site.path(page)))


def test_what_is_shown_in_a_frame_has_stricter_ones(site, visitors):
    assert FRAMES
    for page in FRAMES:
        with case(page.path):
            response = visitors["administrator"].get(site.path(page))
            assert response.status_code == 200
            check(response, frame="SAMEORIGIN", referrer="no-referrer")
            assert response.headers["X-DNS-Prefetch-Control"] == "off"
            rules = policy(response)
            assert rules["sandbox"] == []
            assert rules["frame-ancestors"] == ["'self'"]
            assert rules["img-src"] == ["data:"]
            assert rules["base-uri"] == rules["form-action"] == ["'none'"]
            assert not rules.keys() & {"script-src", "connect-src", "frame-src", "font-src"}


def test_answers_to_programs_have_them(site):
    assert PROGRAMS
    for page in PROGRAMS:
        with case(page.path):
            check_page(Client().get(site.path(page)))


def test_the_mail_as_a_file_opens_nowhere(site):
    response = freshly_signed_in(site.admin).get(f"/log/{site.mail.pk}/source/")
    check_page(response)
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["Content-Type"] == "message/rfc822"


def test_error_pages_have_them_too(site, settings):
    settings.ROOT_URLCONF = __name__
    client = freshly_signed_in(site.admin, raise_request_exception=False)
    answers = {
        400: client.get("/", headers={"host": "evil.example"}),
        403: freshly_signed_in(site.person()).get("/log/"),
        404: client.get("/nowhere/"),
        405: client.delete("/log/"),
        422: client.post("/secrets/new/smtp/"),
        500: client.get("/crash/"),
    }
    assert {status: response.status_code for status, response in answers.items()} == {
        status: status for status in answers
    }
    for status, response in answers.items():
        with case(status):
            check_page(response)
    refused = Client(enforce_csrf_checks=True).post("/account/login/")
    assert refused.status_code == 403
    check_page(refused)


def test_what_a_view_says_about_keeping_stands(site):
    response = Client().get("/healthz")
    assert response.headers["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"


def test_signing_in_sets_cookies_that_no_script_reads(site):
    response = Client().post("/account/login/", {"login": "admin@example.com", "password": "correct-horse-battery"})
    assert response.status_code == 302
    assert {"sessionid", "csrftoken"} <= response.cookies.keys()
    check_page(response)


def test_nothing_is_offered_to_other_origins(site, visitors):
    client = visitors["administrator"]
    for page in PAGES:
        if page.reads:
            with undone(client, page.path):
                response = client.get(site.path(page), headers={"origin": "https://evil.example"})
                assert not [name for name in response.headers if name.lower().startswith("access-control-")]
