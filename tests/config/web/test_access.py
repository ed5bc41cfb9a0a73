"""Who gets in where: every address of the site, every kind of person, every method."""

from functools import cache
from itertools import product

import pytest
from django.contrib.auth import get_user
from django.test import Client

from tests.cases import case
from tests.config.site import PAGES, PERMISSIONS, PROGRAMS, Page, freshly_signed_in, routes, undone, watched_rows
from tests.conftest import signed_in
from users.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]

METHODS = ("get", "head", "options", "post", "put", "patch", "delete", "trace")
PUBLIC = [page for page in PAGES if page.public]
CLOSED = [page for page in PAGES if not page.public]
GUARDED = [page for page in PAGES if page.needs]
PERSONAL = [page for page in CLOSED if not page.needs]
READS = [page for page in PAGES if page.reads]
ACTS = [page for page in PAGES if page.acts]
NOT_THERE = {  # closed here, or only there with a second factor
    "/account/confirm-email/",
    "/account/confirm-email/abc:1-2/",
    "/account/2fa/totp/deactivate/",
    "/account/2fa/recovery-codes/",
    "/account/2fa/recovery-codes/download/",
}
REFUSED = {401, 403, 404, 405}


@pytest.fixture
def people(site):
    """Return who holds these permissions and no other, and their browser: ``user, client = people(USE, TEST)``."""

    @cache
    def made(permissions: frozenset[str]) -> tuple[User, Client]:
        user = site.person(*sorted(permissions))
        return user, signed_in(user)

    return lambda *permissions: made(frozenset(permissions))


def ask(client: Client, method: str, path: str, **options):
    return getattr(client, method)(path, **options)


def own_methods(page: Page) -> list[str]:
    return [*(["get"] if page.reads else []), *(["post"] if page.acts else [])]


def test_every_address_of_the_site_is_in_the_list_of_pages():
    """Say in tests/config/site.py who may open a new address."""
    assert set(routes()) == {page.route for page in (*PAGES, *PROGRAMS)}
    assert len(PAGES) == len({page.path for page in PAGES})


def test_the_public_pages_are_these():
    assert {page.path for page in PUBLIC} == {
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


def test_the_anonymous_visitor_is_refused_by_every_method(site):
    with watched_rows() as rows:
        for page, method in product(CLOSED, METHODS):
            with case("anonymous", method, page.path):
                response = ask(Client(), method, site.path(page))
                sent_away = response.status_code == 302 and response["Location"].startswith("/account/login/")
                assert sent_away or response.status_code in REFUSED
                assert not rows.changes()


def test_public_pages_change_nothing_by_being_asked(site):
    with watched_rows() as rows:
        for page, method in product(PUBLIC, METHODS):
            with case("anonymous", method, page.path):
                assert ask(Client(), method, site.path(page)).status_code < 500
                assert not rows.changes()


def test_the_set_up_is_closed_once_there_is_an_account(site):
    typed = {"email": "eve@example.com", "name": "", "password": "correct-horse-9", "password_again": "correct-horse-9"}
    with watched_rows():
        assert Client().post("/setup/", typed)["Location"] == "/account/login/"


# ---------------------------------------------------------------- programs


def test_no_session_opens_what_is_for_programs(site):
    visitors = {"anonymous": Client(), "administrator": freshly_signed_in(site.admin)}
    with watched_rows() as rows:
        for page, who, method in product(PROGRAMS, visitors, METHODS):
            with case(who, method, page.path):
                response = ask(visitors[who], method, site.path(page))
                assert response.status_code in {401, 405}
                assert response["Content-Type"] == "application/problem+json"
                assert not rows.changes()


# ---------------------------------------------------------------- people


def test_a_colleague_without_permissions_is_refused(site, people):
    user, client = people()
    with watched_rows() as rows:
        for page, method in product(GUARDED, METHODS):
            with case("colleague", method, page.path):
                assert ask(client, method, site.path(page, user)).status_code == 403
                assert not rows.changes()


def test_every_other_permission_together_does_not_open_it(site, people):
    asked = [
        (page, missing, *people(*set(PERMISSIONS) - {missing, page.or_with}), method)
        for page in GUARDED
        for missing in page.needs
        for method in own_methods(page)
    ]
    with watched_rows() as rows:
        for page, missing, user, client, method in asked:
            with case(f"all but {missing}", method, page.path):
                assert ask(client, method, site.path(page, user)).status_code == 403
                assert not rows.changes()


def test_exactly_the_permissions_that_it_needs_open_it(site, people):
    for page in GUARDED:
        user, client = people(*page.needs)
        for method in own_methods(page):
            with undone(client, page.needs, method, page.path):
                status = ask(client, method, site.path(page, user)).status_code
                assert status in ({403} if page.administrator else {200, 302, 422})


def test_pages_about_oneself_are_open_to_whoever_is_signed_in(site):
    user = site.person()
    client = freshly_signed_in(user)
    for page in PERSONAL:
        for method in own_methods(page):
            with undone(client, "colleague", method, page.path):
                response = ask(client, method, site.path(page, user))
                assert response.status_code in ({404} if page.path in NOT_THERE else {200, 302, 422})
                signs_in = response.headers.get("Location", "").startswith("/account/login/")
                assert not signs_in or "code/confirm" in page.path


def test_the_administrator_gets_in_everywhere(site):
    client = freshly_signed_in(site.admin)
    for page in PAGES:
        for method in own_methods(page):
            with undone(client, "administrator", method, page.path):
                assert ask(client, method, site.path(page)).status_code in {200, 302, 404, 422}


def test_an_account_that_was_closed_is_out_at_once(site, people):
    user, client = people(*PERMISSIONS)
    assert client.get("/log/").status_code == 200
    user.is_active = False
    user.save()
    for page in CLOSED:
        with case(page.path):
            assert client.get(site.path(page, user)).status_code in {302, *REFUSED}


# ---------------------------------------------------------------- what changes something


def test_actions_refuse_to_be_got(site):
    client = freshly_signed_in(site.admin)
    with watched_rows() as rows:
        for page, method in product([page for page in PAGES if not page.reads], ("get", "head", "put", "delete")):
            with case("administrator", method, page.path):
                assert ask(client, method, site.path(page)).status_code == 405
                assert not rows.changes()


def test_getting_a_page_changes_nothing(site):
    client = freshly_signed_in(site.admin)
    with watched_rows() as rows:
        for page in READS:
            with case("administrator", page.path):
                for method in ("get", "head", "options"):
                    with case(method):
                        ask(client, method, site.path(page))
                        assert not rows.changes()
                assert get_user(client) == site.admin, "still signed in"


def test_a_post_without_the_forms_token_is_refused(site):
    visitors = {
        "anonymous": Client(enforce_csrf_checks=True),
        "administrator": freshly_signed_in(site.admin, enforce_csrf_checks=True),
    }
    users = {who: get_user(client) for who, client in visitors.items()}
    headers = ({}, {"origin": "https://evil.example"}, {"X-CSRFToken": "x" * 32})
    with watched_rows() as rows:
        for page, (who, client), header in product(ACTS, visitors.items(), headers):
            client.cookies["csrftoken"] = "y" * 32
            for method in ("post", "put", "patch", "delete"):
                with case(who, method, page.path, header):
                    assert ask(client, method, site.path(page), headers=header).status_code in {403, 405}
                    assert not rows.changes()
            client.cookies.pop("csrftoken")
            with case(who, page.path, header):
                assert get_user(client) == users[who], "still signed in"


def test_somebody_elses_session_cannot_be_ended(site, people):
    page = next(page for page in PAGES if "{session}" in page.path)
    path = site.path(page, site.admin)
    _, client = people(*PERMISSIONS)
    assert client.post(path).status_code == 404


def test_somebody_elses_secret_cannot_be_opened_or_changed(site, people):
    user, client = people(*PERMISSIONS)
    site.secret.owners.remove(user)
    with watched_rows() as rows:
        for page in PAGES:
            if page.path.startswith("/secrets/{secret}") and page.acts:
                with case(page.path):
                    assert client.post(site.path(page)).status_code == 403
                    assert not rows.changes()
