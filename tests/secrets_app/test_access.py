"""Who gets in where: every URL, every kind of person."""

import pytest
from django.test import Client
from django.urls import get_resolver

from secrets_app.models import Secret, SecretEvent
from secrets_app.urls import urlpatterns

pytestmark = pytest.mark.django_db
PAGES = ["", "environment/", "trail/", "new/", "new/smtp/", "{pk}/", "{pk}/deletion/"]
ACTIONS = ["new/smtp/", "{pk}/", "{pk}/sharing/", "{pk}/deletion/"]


def test_the_lists_here_name_every_url():
    named = {path.replace("{pk}", "1") for path in [*PAGES, *ACTIONS]}
    assert len(urlpatterns) == len({get_resolver().resolve(f"/secrets/{path}").route for path in named})


@pytest.mark.parametrize("path", PAGES)
def test_the_anonymous_visitor_is_sent_to_the_sign_in(path, secret):
    response = Client().get("/secrets/" + path.format(pk=secret.pk))
    assert response.status_code == 302
    assert response.headers["Location"].startswith(("/account/login/", "/setup/"))


@pytest.mark.parametrize("path", ACTIONS)
def test_the_anonymous_visitor_changes_nothing(path, secret, typed):
    response = Client().post("/secrets/" + path.format(pk=secret.pk), typed)
    assert response.status_code in {302, 403}
    assert Secret.objects.count() == 1
    assert SecretEvent.objects.count() == 1


@pytest.mark.parametrize("path", PAGES)
def test_whoever_may_not_use_secrets_sees_no_page(path, secret, colleague_client):
    assert colleague_client.get("/secrets/" + path.format(pk=secret.pk)).status_code == 403


@pytest.mark.parametrize("path", ACTIONS)
def test_whoever_may_not_use_secrets_changes_nothing_not_even_his_own(
    path, make_secret, colleague, colleague_client, typed
):
    secret = make_secret(actor=colleague, system=True)
    assert colleague_client.post("/secrets/" + path.format(pk=secret.pk), typed).status_code == 403
    assert SecretEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("person", "seen"), [("owner", True), ("admin", True), ("teammate", True), ("stranger", False)]
)
def test_who_sees_a_secret_shared_with_a_group(person, seen, make_secret, team, request):
    secret = make_secret(groups=[team])
    client = request.getfixturevalue(f"{person}_client")
    assert client.get(f"/secrets/{secret.pk}/").status_code == (200 if seen else 403)
    assert (b"Relay" in client.get("/secrets/").content) is seen


@pytest.mark.parametrize("person", ["teammate", "stranger"])
def test_whoever_has_access_but_does_not_own_it_only_looks(person, make_secret, team, request, typed):
    secret = make_secret(groups=[team], system=True)
    client = request.getfixturevalue(f"{person}_client")
    body = client.get(f"/secrets/{secret.pk}/").content.decode()
    assert "smtp.example.com" in body
    assert "Only its owners can change it" in body
    assert "<form class=" not in body
    assert "password_action" not in body
    data = {**typed, "revision": "1", "password_action": "keep", "sharing-revision": "1", "sharing-owners": []}
    for path in ["", "sharing/", "deletion/"]:
        assert client.post(f"/secrets/{secret.pk}/{path}", data).status_code == 403
    assert client.get(f"/secrets/{secret.pk}/deletion/").status_code == 403
    assert SecretEvent.objects.count() == 1


@pytest.mark.parametrize("person", ["owner", "admin"])
def test_owners_and_administrators_manage(person, secret, request, typed):
    client = request.getfixturevalue(f"{person}_client")
    data = {**typed, "revision": "1", "password": "", "password_action": "keep", "sender": "a@example.com"}
    assert client.post(f"/secrets/{secret.pk}/", data).status_code == 302
    sharing = {"sharing-revision": "2", "sharing-owners": [secret.owners.get().pk], "sharing-available_to_system": "on"}
    assert client.post(f"/secrets/{secret.pk}/sharing/", sharing).status_code == 302
    assert client.post(f"/secrets/{secret.pk}/deletion/").status_code == 302
    assert list(SecretEvent.objects.values_list("action", flat=True)) == ["deleted", "shared", "changed", "created"]


@pytest.mark.parametrize("person", ["owner", "teammate", "stranger"])
def test_only_administrators_see_the_whole_trail(person, request):
    assert request.getfixturevalue(f"{person}_client").get("/secrets/trail/").status_code == 403


def test_actions_are_posts(owner_client, secret):
    assert owner_client.get(f"/secrets/{secret.pk}/sharing/").status_code == 405
    assert owner_client.put(f"/secrets/{secret.pk}/").status_code == 405
    assert owner_client.delete(f"/secrets/{secret.pk}/deletion/").status_code == 405


def test_a_post_from_another_site_is_refused(owner, secret):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert client.post(f"/secrets/{secret.pk}/deletion/").status_code == 403
    assert Secret.objects.exists()
