"""Limits of sign-in attempts where they are counted in the database, as they are by default."""

import pytest
from django.contrib.auth import get_user
from django.core.cache import caches
from django.test import Client

from config.environment.parsers import networks
from tests.factories import PASSWORD, make_user
from users.shared_cache import SharedCache

LOGIN = "/account/login/"
MANY = "Too many failed login attempts. Try again later."

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture(autouse=True)
def counted_in_the_database(settings):
    settings.CACHES = {"default": {"BACKEND": "users.shared_cache.SharedCache"}}
    settings.TRUSTED_PROXIES = networks("127.0.0.1")


def attempt(address: str, password: str = "wrong-password", email: str = "ann@example.com"):
    """Sign in through the proxy, as another browser each time, in a process that remembers nothing."""
    caches["default"] = SharedCache("", {})
    client = Client(headers={"X-Forwarded-For": f"203.0.113.99, {address}"})
    response = client.post(LOGIN, {"login": email, "password": password})
    return client, response


def test_a_visitor_behind_the_proxy_locks_out_nobody_else():
    make_user()
    for number in range(11):
        _, response = attempt("198.51.100.7", email=f"{number}@example.com")
    assert MANY in response.text
    client, _ = attempt("198.51.100.8", PASSWORD)
    assert get_user(client).is_authenticated


def test_many_clients_together_may_not_guess_at_one_account():
    make_user()
    for number in range(5):
        attempt(f"198.51.100.{number}")
    client, response = attempt("198.51.100.77", PASSWORD)
    assert MANY in response.text
    assert not get_user(client).is_authenticated
    make_user("bob@example.com")
    client, _ = attempt("198.51.100.77", PASSWORD, "bob@example.com")
    assert get_user(client).is_authenticated


def test_addresses_of_one_ipv6_network_count_as_one_client():
    make_user()
    for number in range(10):
        attempt(f"2001:db8::{number + 1}", email=f"{number}@example.com")
    assert MANY in attempt("2001:db8::77", PASSWORD)[1].text
    assert get_user(attempt("2001:db8:0:1::1", PASSWORD)[0]).is_authenticated


def test_what_a_visitor_says_about_an_address_does_not_help():
    make_user()
    for number in range(10):
        client = Client(REMOTE_ADDR="198.51.100.7", headers={"X-Forwarded-For": f"192.0.2.{number}"})
        client.post(LOGIN, {"login": f"{number}@example.com", "password": "wrong-password"})
    client = Client(REMOTE_ADDR="198.51.100.7", headers={"X-Forwarded-For": "192.0.2.77"})
    assert MANY in client.post(LOGIN, {"login": "ann@example.com", "password": PASSWORD}).text


def test_the_session_shows_the_address_of_the_visitor():
    make_user()
    client, _ = attempt("198.51.100.7", PASSWORD)
    page = client.get("/account/sessions/", headers={"X-Forwarded-For": "198.51.100.7"})
    assert "198.51.100.7" in page.text
