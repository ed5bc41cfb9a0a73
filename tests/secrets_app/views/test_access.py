"""Access to the vault: every URL with every kind of user."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import get_resolver

from secrets_app.models import Secret, SecretEvent
from secrets_app.urls import urlpatterns
from tests.cases import case, rolled_back

pytestmark = pytest.mark.django_db
PAGES = ["", "environment/", "audit/", "new/", "new/smtp/", "{pk}/", "{pk}/deletion/"]
ACTIONS = ["new/smtp/", "{pk}/", "{pk}/sharing/", "{pk}/deletion/"]


def test_the_lists_here_name_every_url():
    named = {path.replace("{pk}", "1") for path in [*PAGES, *ACTIONS]}
    assert len(urlpatterns) == len({get_resolver().resolve(f"/secrets/{path}").route for path in named})


def test_the_anonymous_visitor_is_sent_to_the_sign_in(secret):
    for path in PAGES:
        with case(path):
            response = Client().get("/secrets/" + path.format(pk=secret.pk))
            assert response.status_code == 302
            assert response.headers["Location"].startswith(("/account/login/", "/setup/"))


def test_the_anonymous_visitor_changes_nothing(secret, typed):
    for path in ACTIONS:
        with case(path):
            response = Client().post("/secrets/" + path.format(pk=secret.pk), typed)
            assert response.status_code in {302, 403}
            assert Secret.objects.count() == 1
            assert SecretEvent.objects.count() == 1


def test_whoever_may_not_use_secrets_sees_no_page(secret, colleague_client):
    for path in PAGES:
        assert colleague_client.get("/secrets/" + path.format(pk=secret.pk)).status_code == 403, path


def test_whoever_may_not_use_secrets_changes_nothing_not_even_his_own(make_secret, colleague, colleague_client, typed):
    secret = make_secret(actor=colleague, system=True)
    for path in ACTIONS:
        with case(path):
            assert colleague_client.post("/secrets/" + path.format(pk=secret.pk), typed).status_code == 403
            assert SecretEvent.objects.count() == 1


def test_who_sees_a_secret_shared_with_a_group(make_secret, team, request):
    secret = make_secret(groups=[team])
    for person, seen in [("owner", True), ("admin", True), ("teammate", True), ("stranger", False)]:
        with case(person):
            client = request.getfixturevalue(f"{person}_client")
            assert client.get(f"/secrets/{secret.pk}/").status_code == (200 if seen else 403)
            assert (b"Relay" in client.get("/secrets/").content) is seen


def test_whoever_has_access_but_does_not_own_it_only_looks(make_secret, team, teammate_client, stranger_client, typed):
    secret = make_secret(groups=[team], system=True)
    data = {**typed, "revision": "1", "password_action": "keep", "sharing-revision": "1", "sharing-owners": []}
    for person, client in {"teammate": teammate_client, "stranger": stranger_client}.items():
        with case(person):
            body = client.get(f"/secrets/{secret.pk}/").content.decode()
            assert "smtp.example.com" in body
            assert "Only its owners can change it" in body
            assert "<form class=" not in body
            assert "password_action" not in body
            for path in ["", "sharing/", "deletion/"]:
                assert client.post(f"/secrets/{secret.pk}/{path}", data).status_code == 403
            assert client.get(f"/secrets/{secret.pk}/deletion/").status_code == 403
            assert SecretEvent.objects.count() == 1


def test_owners_and_administrators_manage(secret, owner_client, admin_client, typed):
    data = {**typed, "revision": "1", "password": "", "password_action": "keep", "sender": "a@example.com"}
    group = Group.objects.create(name="Sales")
    secret.owners.get().groups.add(group)
    sharing = {"sharing-revision": "2", "sharing-owners": [secret.owners.get().pk], "sharing-groups": [group.pk]}
    done = ["created", "changed", "shared", "deleted"]
    for person, client in {"owner": owner_client, "admin": admin_client}.items():
        with rolled_back(person):
            assert client.post(f"/secrets/{secret.pk}/", data).status_code == 302
            assert client.post(f"/secrets/{secret.pk}/sharing/", sharing).status_code == 302
            assert client.post(f"/secrets/{secret.pk}/deletion/").status_code == 302
            assert list(SecretEvent.objects.values_list("action", flat=True)) == done[::-1]


def test_only_administrators_see_the_whole_audit_log(request):
    for person in ["owner", "teammate", "stranger"]:
        assert request.getfixturevalue(f"{person}_client").get("/secrets/audit/").status_code == 403, person


def test_actions_are_posts(owner_client, secret):
    assert owner_client.get(f"/secrets/{secret.pk}/sharing/").status_code == 405
    assert owner_client.put(f"/secrets/{secret.pk}/").status_code == 405
    assert owner_client.delete(f"/secrets/{secret.pk}/deletion/").status_code == 405


def test_a_post_from_another_site_is_refused(owner, secret):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert client.post(f"/secrets/{secret.pk}/deletion/").status_code == 403
    assert Secret.objects.exists()
