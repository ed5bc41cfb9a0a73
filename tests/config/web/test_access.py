"""Who gets in where: every address of the site, every kind of person, every method."""

import pytest
from django.test import Client

from tests.config.site import PAGES, PERMISSIONS, PROGRAMS, Page, freshly_signed_in, routes, stored
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db

METHODS = ("get", "head", "options", "post", "put", "patch", "delete", "trace")
CLOSED = [page for page in PAGES if not page.public]
GUARDED = [page for page in PAGES if page.needs]
READS = [page for page in CLOSED if page.reads]
ACTS = [page for page in PAGES if page.acts]
NOT_THERE = {  # closed here, or only there with a second factor
    "/account/confirm-email/",
    "/account/confirm-email/abc:1-2/",
    "/account/2fa/totp/deactivate/",
    "/account/2fa/recovery-codes/",
    "/account/2fa/recovery-codes/download/",
}
REFUSED = {401, 403, 404, 405}


def each(pages):
    return pytest.mark.parametrize("place", pages, ids=lambda page: page.path)


def test_every_address_of_the_site_is_in_the_list_of_pages():
    """Say in tests/config/site.py who may open a new address."""
    assert set(routes()) == {page.route for page in (*PAGES, *PROGRAMS)}
    assert len(PAGES) == len({page.path for page in PAGES})


def test_the_public_pages_are_these():
    assert {page.path for page in PAGES if page.public} == {
        "/healthz",
        "/setup/",
        "/account/login/",
        "/account/logout/",
        "/account/inactive/",
        "/account/signup/",
        "/account/password/reset/",
        "/account/password/reset/done/",
        "/account/password/reset/key/{key}/",
        "/account/password/reset/key/done/",
    }


# ---------------------------------------------------------------- nobody in particular


@each(CLOSED)
def test_the_anonymous_visitor_is_refused_by_every_method(place, site):
    path = site.path(place)
    before = stored()
    for method in METHODS:
        response = getattr(Client(), method)(path)
        sent_away = response.status_code == 302 and response["Location"].startswith("/account/login/")
        assert sent_away or response.status_code in REFUSED, method
    assert stored() == before


@each([page for page in PAGES if page.public])
def test_public_pages_change_nothing_by_being_asked(place, site):
    path = site.path(place)
    before = stored()
    for method in METHODS:
        response = getattr(Client(), method)(path)
        assert response.status_code < 500, method
    assert stored() == before


def test_before_the_set_up_every_page_leads_to_it(db):
    for page in PAGES:
        names = (
            "mail",
            "secret",
            "api_key",
            "session",
            "shared",
            "sample",
            "order",
            "search",
            "suppression",
            "incident",
        )
        response = Client().get(page.path.format(**dict.fromkeys(names, 1), key="1-abc"))
        if page.path == "/healthz" or page.path == "/setup/":
            assert response.status_code == 200
        elif page.path == "/api/v1/openapi.json":
            assert response.status_code == 401
        elif page.path == "/api/v1/docs":
            assert response["Location"].startswith("/account/login/")
        else:
            assert (response.status_code, response["Location"]) == (302, "/setup/"), page.path


def test_the_set_up_is_closed_once_there_is_an_account(site):
    typed = {"email": "eve@example.com", "name": "", "password": "correct-horse-9", "password_again": "correct-horse-9"}
    before = stored()
    assert Client().post("/setup/", typed)["Location"] == "/account/login/"
    assert stored() == before


# ---------------------------------------------------------------- programs


@each(PROGRAMS)
def test_no_session_opens_what_is_for_programs(place, site):
    path = site.path(place)
    before = stored()
    for client in (Client(), freshly_signed_in(site.admin)):
        for method in METHODS:
            response = getattr(client, method)(path)
            assert response.status_code in {401, 405}, method
            assert response["Content-Type"] == "application/problem+json"
    assert stored() == before


# ---------------------------------------------------------------- people


def ask(client, page: Page, path: str, method: str):
    return client.post(path) if method == "post" else client.get(path)


def methods_of(page: Page) -> list[str]:
    return [*(["get"] if page.reads else []), *(["post"] if page.acts else [])]


@each(GUARDED)
def test_a_colleague_without_permissions_is_refused(place, site):
    user = site.person()
    path, client = site.path(place, user), signed_in(user)
    before = stored()
    for method in METHODS:
        assert getattr(client, method)(path).status_code == 403, method
    assert stored() == before


@each(GUARDED)
def test_every_other_permission_together_does_not_open_it(place, site):
    for missing in place.needs:
        user = site.person(*(set(PERMISSIONS) - {missing, place.or_with}))
        path, client = site.path(place, user), signed_in(user)
        before = stored()
        for method in methods_of(place):
            assert ask(client, place, path, method).status_code == 403, (missing, method)
        assert stored() == before


@each(GUARDED)
def test_exactly_the_permissions_that_it_needs_open_it(place, site):
    user = site.person(*place.needs)
    for method in methods_of(place):
        response = ask(signed_in(user), place, site.path(place, user), method)
        assert (response.status_code == 403) is place.administrator, method
        assert response.status_code in {200, 302, 403, 422}


@each([page for page in CLOSED if not page.needs])
def test_pages_about_oneself_are_open_to_whoever_is_signed_in(place, site):
    user = site.person()
    for method in methods_of(place):
        response = ask(freshly_signed_in(user), place, site.path(place, user), method)
        assert response.status_code in ({404} if place.path in NOT_THERE else {200, 302, 422}), method
        assert "/account/login/" not in response.headers.get("Location", "") or "code/confirm" in place.path, method


@each(PAGES)
def test_the_administrator_gets_in_everywhere(place, site):
    for method in methods_of(place):
        response = ask(freshly_signed_in(site.admin), place, site.path(place), method)
        assert response.status_code in {200, 302, 404, 422}, method


def test_an_account_that_was_closed_is_out_at_once(site):
    user = site.person(*PERMISSIONS)
    client = signed_in(user)
    assert client.get("/log/").status_code == 200
    user.is_active = False
    user.save()
    for page in CLOSED:
        assert client.get(site.path(page, user)).status_code in {302, *REFUSED}, page.path


# ---------------------------------------------------------------- what changes something


@each([page for page in PAGES if not page.reads])
def test_actions_refuse_to_be_got(place, site):
    before, path = stored(), site.path(place)
    for method in ("get", "head", "put", "delete"):
        assert getattr(freshly_signed_in(site.admin), method)(path).status_code == 405
    assert stored() == before


@each([page for page in PAGES if page.reads])
def test_getting_a_page_changes_nothing(place, site):
    client = freshly_signed_in(site.admin)
    before, path = stored(), site.path(place)
    for method in ("get", "head", "options"):
        getattr(client, method)(path)
    assert stored() == before
    assert client.get("/").status_code == 200, "still signed in"


@each(ACTS)
@pytest.mark.parametrize("header", [{}, {"origin": "https://evil.example"}, {"X-CSRFToken": "x" * 32}])
def test_a_post_without_the_forms_token_is_refused(place, header, site):
    before, path = stored(), site.path(place)
    for client in (Client(enforce_csrf_checks=True), freshly_signed_in(site.admin, enforce_csrf_checks=True)):
        client.cookies["csrftoken"] = "y" * 32
        for method in ("post", "put", "patch", "delete"):
            assert getattr(client, method)(path, headers=header).status_code in {403, 405}, method
    assert stored() == before
    client.cookies.pop("csrftoken")
    assert client.get("/").status_code == 200, "still signed in"


def test_somebody_elses_session_cannot_be_ended(site):
    page = next(page for page in PAGES if "{session}" in page.path)
    path = site.path(page, site.admin)
    assert signed_in(site.person(*PERMISSIONS)).post(path).status_code == 404


def test_somebody_elses_secret_cannot_be_opened_or_changed(site):
    user = site.person(*PERMISSIONS)
    site.secret.owners.remove(user)
    client, before = signed_in(user), stored()
    for page in PAGES:
        if page.path.startswith("/secrets/{secret}") and page.acts:
            assert client.post(site.path(page)).status_code == 403, page.path
    assert stored() == before
