"""The pages of the vault: list, form, sharing, deletion, audit log."""

import html

import pytest
from django.urls import reverse

from secrets_app import reveal, storing
from secrets_app.kinds.smtp import SmtpForm
from secrets_app.models import Secret, SecretEvent, SecretValue
from tests.cases import case, rolled_back
from tests.conftest import signed_in
from tests.factories import make_user
from tests.secrets_app.conftest import FIELDS

pytestmark = pytest.mark.django_db
LIST, NEW = "/secrets/", "/secrets/new/smtp/"


def text(response):
    return html.unescape(response.content.decode())


def page(secret):
    return f"/secrets/{secret.pk}/"


@pytest.fixture
def edited(typed, secret):
    """What the form of the stored secret submits if nothing is changed."""
    del typed["available_to_system"]
    return {**typed, "password": "", "password_action": "keep", "revision": str(secret.revision)}


# ---------------------------------------------------------------- the list


def test_an_empty_list_says_what_will_appear_and_how(owner_client):
    body = text(owner_client.get(LIST))
    assert "No secrets yet" in body
    assert reverse("secrets_app:new") in body


def test_the_list_says_of_each_secret_what_it_is(owner_client, make_secret, team):
    make_secret("Relay", sender="mail@example.com", system=True, groups=[team])
    make_secret("Open", host="localhost", port=25, tls="none", username="", password="", verify=False)
    body = text(owner_client.get(LIST))
    for words in [
        "Relay",
        "SMTP server",
        "sends as mail@example.com",
        "smtp.example.com:587",
        "STARTTLS",
        "Stored",
        "Olga Owner",
        "group Marketing",
        "the system",
        "Open",
        "localhost:25",
        "no TLS",
        "None",
        "certificate not checked",
    ]:
        assert words in body, words


def test_the_environments_connection_is_listed_first_and_cannot_be_changed(owner_client, make_secret, mail_settings):
    mail_settings(host="relay.example.com", port=2525, username="app", password="env-password")
    make_secret("AAA")
    body = text(owner_client.get(LIST))
    assert body.index("relay.example.com:2525") < body.index("AAA")
    assert "MAIL_HOST, MAIL_PORT, MAIL_USERNAME, MAIL_PASSWORD" in body
    shown = text(owner_client.get("/secrets/environment/"))
    assert "relay.example.com" in shown
    assert "MAIL_ENCRYPTION" in shown
    assert "env-password" not in body + shown
    assert owner_client.post("/secrets/environment/", {"host": "x"}).status_code == 405


def test_the_environments_page_says_how_to_make_the_connection(owner_client):
    body = text(owner_client.get("/secrets/environment/"))
    assert "set these variables" in body
    assert "MAIL_HOST" in body


def test_a_lost_key_is_shown_on_list_and_page_and_entering_the_password_again_solves_it(
    owner_client, secret, edited, other_key
):
    other_key()
    body = text(owner_client.get(LIST))
    assert "Unreadable" in body
    assert "SECRETS_KEYS" in body
    said = "The password of “Relay” cannot be decrypted with the keys in use."
    assert said in text(owner_client.get(page(secret)))
    data = {**edited, "password_action": "replace", "password": "typed again"}
    assert owner_client.post(page(secret), data).status_code == 302
    assert reveal.reveal(str(secret.pk)) == {"password": "typed again"}
    assert said not in text(owner_client.get(page(secret)))


def test_a_lost_key_does_not_keep_anybody_from_changing_the_rest(owner_client, secret, edited, other_key, settings):
    before = other_key()
    assert owner_client.post(page(secret), {**edited, "sender": "new@example.com"}).status_code == 302
    settings.SECRETS_KEYS = before
    assert reveal.reveal(str(secret.pk)) == {"password": "first-password"}


def test_a_secret_of_an_unregistered_kind_still_has_a_page(owner_client, owner):
    secret = Secret.objects.create(kind="pigeon", name="Old", fields={"loft": "north"})
    secret.owners.add(owner)
    assert "pigeon" in text(owner_client.get(LIST))
    body = text(owner_client.get(page(secret)))
    assert "no longer installed" in body
    assert "north" in body
    assert owner_client.post(page(secret), {"name": "x"}).status_code == 404
    assert owner_client.post(f"/secrets/{secret.pk}/deletion/").status_code == 302


# ---------------------------------------------------------------- a new one


def test_one_kind_needs_no_choice(owner_client):
    assert owner_client.get("/secrets/new/").headers["Location"] == NEW
    assert owner_client.get("/secrets/new/pigeon/").status_code == 404


def test_what_is_typed_is_stored_and_shown_without_its_password(owner_client, owner, typed):
    response = owner_client.post(NEW, typed, follow=True)
    secret = Secret.objects.get()
    assert response.redirect_chain == [(page(secret), 302)]
    assert "“Relay” was stored." in text(response)
    assert secret.fields == {**SmtpForm.defaults, **FIELDS}
    assert not secret.available_to_system  # ticked, but not the owner's to give
    assert list(secret.owners.all()) == [owner]
    assert reveal.reveal(str(secret.pk)) == {"password": "first-password"}


def test_a_preset_fills_in_the_form_without_javascript(owner_client):
    body = text(owner_client.get(NEW, {"preset": "gmail"}))
    assert 'value="smtp.gmail.com"' in body
    assert "app password" in body
    assert "This provider is not in the list" in text(owner_client.get(NEW, {"preset": "pigeon\x00"}))


def test_a_failed_form_keeps_what_was_typed_and_stores_nothing(owner_client, typed):
    response = owner_client.post(NEW, {**typed, "port": "22"})
    assert response.status_code == 422
    body = text(response)
    assert "Port 22 is not allowed" in body
    assert 'value="smtp.example.com"' in body
    assert "Enter it again" in body
    assert not Secret.objects.exists()
    assert not SecretEvent.objects.exists()


def test_the_password_field_is_never_filled_in(owner_client, secret, typed):
    for body in [text(owner_client.get(NEW)), text(owner_client.get(page(secret)))]:
        field = body[body.index('type="password"') - 100 :].partition("<input")[2].partition(">")[0]
        assert 'autocomplete="new-password"' in field
        assert "value=" not in field


def test_two_browsers_that_take_the_same_name_get_one_secret(owner_client, typed, monkeypatch):
    original = storing.store

    def late(**fields):
        original(**{**fields, "actor": None})  # the other browser was a moment faster
        return original(**fields)

    monkeypatch.setattr("secrets_app.views.secret_form_pages.storing.store", late)
    response = owner_client.post(NEW, typed)
    assert response.status_code == 422
    assert "already" in text(response)
    assert "Enter it again" in text(response)
    assert Secret.objects.count() == SecretValue.objects.count() == 1


# ---------------------------------------------------------------- changing


def test_keep_replace_and_remove(owner_client, secret, edited):
    owner_client.post(page(secret), {**edited, "sender": "a@example.com"})
    assert reveal.reveal(str(secret.pk)) == {"password": "first-password"}
    owner_client.post(page(secret), {**edited, "revision": "2", "password_action": "replace", "password": "second"})
    assert reveal.reveal(str(secret.pk)) == {"password": "second"}
    owner_client.post(page(secret), {**edited, "revision": "3", "password_action": "remove", "username": ""})
    assert reveal.reveal(str(secret.pk)) == {}
    body = text(owner_client.get(page(secret)))
    assert "Password removed" in body
    assert "password_action" not in body


def test_the_old_password_does_not_follow_to_another_server(owner_client, secret, edited):
    response = owner_client.post(page(secret), {**edited, "host": "evil.example.com"})
    assert response.status_code == 422
    body = text(response)
    assert "Enter the password again, because the server changed (Host)" in body
    assert (
        'value="replace" class="cards" required id="id_password_action_1" checked' in body
    )  # only the password is missing
    secret.refresh_from_db()
    assert secret.fields == FIELDS


def test_a_form_without_the_choice_does_not_move_the_password_either(owner_client, secret, edited):
    del edited["password_action"]
    assert owner_client.post(page(secret), {**edited, "host": "evil.example.com"}).status_code == 422
    secret.refresh_from_db()
    assert secret.fields == FIELDS


def test_the_second_of_two_editors_is_warned_and_loses_only_the_password(owner_client, admin_client, secret, edited):
    assert admin_client.post(page(secret), {**edited, "sender": "first@example.com"}).status_code == 302
    mine = {**edited, "ehlo_name": "mine.example.com", "password_action": "replace", "password": "canary"}
    response = owner_client.post(page(secret), mine)
    assert response.status_code == 422
    body = text(response)
    assert "saved this secret in the meantime" in body
    assert "admin@example.com" in body
    assert 'value="mine.example.com"' in body
    assert "Stored now" in body
    assert "first@example.com" in body
    assert "Enter it again" in body
    assert "canary" not in body
    assert '<input type="hidden" name="revision" value="2"' in body
    secret.refresh_from_db()
    assert secret.fields["sender"] == "first@example.com"
    assert reveal.reveal(str(secret.pk)) == {"password": "first-password"}
    assert owner_client.post(page(secret), {**mine, "revision": "2"}).status_code == 302


def test_a_save_between_check_and_write_is_reported_too(owner_client, secret, edited, monkeypatch, admin):
    original = storing.change

    def late(secret_id, **fields):
        original(secret_id, **{**fields, "actor": admin, "fields": {**FIELDS, "sender": "first@example.com"}})
        return original(secret_id, **fields)

    monkeypatch.setattr("secrets_app.views.secret_form_pages.storing.change", late)
    response = owner_client.post(page(secret), {**edited, "ehlo_name": "mine.example.com"})
    assert response.status_code == 422
    body = text(response)
    assert "saved this secret in the meantime" in body
    assert 'value="mine.example.com"' in body
    assert 'name="revision" value="2"' in body


@pytest.mark.both_databases
def test_a_broken_revision_is_refused(owner_client, secret, edited):
    for revision in ["", "0", "-1", "9" * 40, "x", "\x00"]:
        with case(revision):
            response = owner_client.post(page(secret), {**edited, "revision": revision, "sender": "a@b.org"})
            assert response.status_code == 422
            secret.refresh_from_db()
            assert secret.revision == 1


def test_a_switched_off_verification_is_warned_about(owner_client, make_secret):
    body = text(owner_client.get(page(make_secret(verify=False))))
    assert "The server's certificate is not checked." in body


def test_the_audit_log_says_who_changed_which_field(owner_client, secret, edited):
    owner_client.post(page(secret), {**edited, "sender": "a@example.com", "name": "New name"})
    body = text(owner_client.get(page(secret)))
    assert "Olga Owner" in body
    assert "Name, Sender address" in body


# ---------------------------------------------------------------- sharing


def sharing(secret, **fields):
    data = {"sharing-revision": str(secret.revision), "sharing-owners": [o.pk for o in secret.owners.all()], **fields}
    return f"/secrets/{secret.pk}/sharing/", data


def test_an_owner_adds_an_owner_and_gives_it_away(owner_client, secret, owner, stranger):
    response = owner_client.post(*sharing(secret, **{"sharing-new_owner": stranger.email}))
    assert response.headers["Location"] == page(secret)
    assert set(secret.owners.all()) == {owner, stranger}
    secret.refresh_from_db()
    response = owner_client.post(*sharing(secret, **{"sharing-owners": [stranger.pk]}))
    assert response.headers["Location"] == LIST
    assert owner_client.get(page(secret)).status_code == 403
    assert signed_in(stranger).get(page(secret)).status_code == 200


def test_the_last_owner_stays(owner_client, secret, owner):
    response = owner_client.post(*sharing(secret, **{"sharing-owners": []}))
    assert response.status_code == 422
    assert "The last owner cannot be removed" in text(response)
    assert list(secret.owners.all()) == [owner]


def test_somebody_who_may_not_sign_in_cannot_be_the_only_owner_left(owner_client, secret, owner):
    gone = make_user("gone@example.com", is_active=False)
    secret.owners.add(gone)
    response = owner_client.post(*sharing(secret, **{"sharing-owners": [gone.pk]}))
    assert "The last owner cannot be removed" in text(response)
    assert set(secret.owners.all()) == {owner, gone}


def test_only_active_accounts_become_owners(owner_client, secret):
    gone = make_user("gone@example.com", is_active=False)
    assert owner_client.post(*sharing(secret, **{"sharing-new_owner": gone.email})).status_code == 422
    assert gone not in secret.owners.all()


def test_an_owner_shares_with_his_own_groups_only_an_administrator_with_any(
    owner_client, admin_client, owner, secret, team
):
    url, data = sharing(secret, **{"sharing-groups": [team.pk]})
    assert owner_client.post(url, data).status_code == 422
    assert not secret.groups.exists()
    owner.groups.add(team)
    assert owner_client.post(url, data).status_code == 302
    assert list(secret.groups.all()) == [team]
    owner.groups.clear()
    secret.refresh_from_db()
    assert admin_client.post(*sharing(secret)).status_code == 302
    assert not secret.groups.exists()


def test_sharing_on_an_outdated_page_is_refused(owner_client, secret, edited, stranger):
    owner_client.post(page(secret), {**edited, "sender": "a@example.com"})
    response = owner_client.post(*sharing(secret, **{"sharing-new_owner": stranger.email}))
    assert response.status_code == 422
    assert "saved this secret in the meantime" in text(response)
    assert 'name="sharing-revision" value="2"' in text(response)
    assert stranger not in secret.owners.all()


@pytest.mark.both_databases
def test_hostile_sharing_changes_nothing(owner_client, secret, owner):
    for nasty in ["", "abc", "-1", "9" * 40, "\x00", "[]", "1.5"]:
        with case(nasty):
            for field in ["sharing-owners", "sharing-new_owner", "sharing-groups", "sharing-revision"]:
                url, data = sharing(secret, **{field: nasty})
                assert owner_client.post(url, data).status_code in {302, 422}
            assert list(secret.owners.all()) == [owner]
            assert SecretEvent.objects.count() == 1


# ---------------------------------------------------------------- deleting


def test_deleting_asks_first_and_says_what_happens(owner_client, secret):
    body = text(owner_client.get(f"/secrets/{secret.pk}/deletion/"))
    assert "Delete “Relay”?" in body
    assert "deleted permanently" in body
    assert Secret.objects.exists()
    response = owner_client.post(f"/secrets/{secret.pk}/deletion/", follow=True)
    assert "“Relay” was deleted." in text(response)
    assert not Secret.objects.exists()
    assert not SecretValue.objects.exists()


@pytest.mark.both_databases
def test_what_is_not_there_is_not_found(owner_client, secret):
    for number in [0, secret.pk + 1, 2**63, 10**40]:
        for path in ["", "deletion/"]:
            assert owner_client.get(f"/secrets/{number}/{path}").status_code == 404
            assert owner_client.post(f"/secrets/{number}/{path}").status_code == 404
        assert owner_client.post(f"/secrets/{number}/sharing/").status_code == 404


def test_an_administrator_sees_the_audit_log_of_deleted_secrets(admin_client, secret, owner):
    storing.delete(secret.pk, actor=owner)
    body = text(admin_client.get("/secrets/audit/"))
    assert "Deleted" in body
    assert f"#{secret.pk}" in body or "Relay" in body
    assert "Olga Owner" in body


def test_the_audit_log_is_paged_without_end(admin_client, secret, owner):
    for _number in range(60):
        storing.record_event(secret, owner, SecretEvent.Action.CHANGED, ["host"])
    first = text(admin_client.get("/secrets/audit/"))
    oldest_shown = first.partition("?before=")[2].partition('"')[0]
    second = text(admin_client.get("/secrets/audit/", {"before": oldest_shown}))
    assert first.count(": Changed</strong>") == 50
    assert second.count(": Changed</strong>") == 10
    assert "Created" in second
    for nasty in ["abc", "-1", "9" * 5000, "\x00", "²", ""]:
        assert admin_client.get("/secrets/audit/", {"before": nasty}).status_code == 200


# ---------------------------------------------------------------- hostile input

NASTY = [
    "\x00", "a\x00b", "a\r\nb", "\x1b[31m", "\u2028", "a" * 100_000, "", " ", "-1", "0", "9" * 20, "1e999",
    "nan", "[]", "{}", "null", "../../etc/passwd", "'; DROP TABLE secrets_app_secret; --", "<script>alert(1)</script>",
    "{{ 7*7 }}", "%s%n", "💥" * 50, "\ufffe", "ﷺ" * 100,
]  # fmt: skip


@pytest.mark.both_databases
def test_hostile_input_is_refused_or_stored_whole_and_never_breaks_the_page(owner_client, typed):
    seen: list[tuple[str, dict[str, object], bool]] = []
    for field in [*typed, "revision", "password_action", "skip_verification"]:
        for nasty in NASTY:
            with rolled_back(field, nasty):
                response = owner_client.post(NEW, {**typed, field: nasty})
                assert response.status_code in {302, 422}
                stored = Secret.objects.count()
                assert stored == (response.status_code == 302)
                assert SecretEvent.objects.filter(action="created").count() == stored
                assert SecretValue.objects.count() == stored
                for secret in Secret.objects.all():
                    shown = (secret.name, secret.fields, secret.available_to_system)
                    if shown not in seen:  # pages of the same values are the same
                        seen.append(shown)
                        assert owner_client.get(LIST).status_code == 200
                        assert owner_client.get(page(secret)).status_code == 200


def test_lists_files_and_other_bodies_in_place_of_text_are_no_500(owner_client, typed, tmp_path):
    listed = {name: [value, "two"] for name, value in typed.items()}
    assert owner_client.post(NEW, listed).status_code == 422
    for data, kind in [
        ('{"name": ["x"]}', "application/json"),
        (b"\xed\xa0\x80=\xff\xfe&host=\xed\xa0\x80", "application/x-www-form-urlencoded"),
        (b"not multipart", "multipart/form-data; boundary=x"),
        (b"name=a&name=b&host[]=1", "application/x-www-form-urlencoded"),
        (b"", "text/plain"),
    ]:
        assert owner_client.post(NEW, data, content_type=kind).status_code in {400, 422}
    upload = tmp_path / "host"
    upload.write_bytes(b"\x00" * 10)
    with upload.open("rb") as file:
        assert owner_client.post(NEW, {**typed, "host": file}).status_code == 422
    assert not Secret.objects.exists()


@pytest.mark.both_databases
def test_lone_surrogates_in_a_body_do_not_reach_the_database(owner_client, typed):
    for field in ["name", "username", "password"]:
        body = "&".join(f"{k}={v}" for k, v in {**typed, field: "a%ED%A0%80b"}.items())
        response = owner_client.post(NEW, body, content_type="application/x-www-form-urlencoded")
        assert response.status_code == 422, field
    assert not Secret.objects.exists()


def test_a_name_full_of_markup_is_shown_as_text(owner_client, typed):
    owner_client.post(NEW, {**typed, "name": "<b>bold</b>"})
    for path in [LIST, page(Secret.objects.get()), f"/secrets/{Secret.objects.get().pk}/deletion/"]:
        assert b"<b>bold</b>" not in owner_client.get(path).content


def test_the_page_lists_no_account_that_has_nothing_to_do_with_the_secret(owner_client, secret, stranger):
    assert stranger.email not in text(owner_client.get(page(secret)))


def test_an_owner_is_added_by_the_whole_address_alone(owner_client, secret, stranger):
    for typed in [
        stranger.email[:-1],
        stranger.email.partition("@")[0],
        "%",
        "*",
        str(stranger.pk),
        f"x{stranger.email}",
    ]:
        with case(typed):
            response = owner_client.post(*sharing(secret, **{"sharing-new_owner": typed}))
            assert response.status_code == 422
            assert "No active account has this address." in text(response)
    response = owner_client.post(*sharing(secret, **{"sharing-new_owner": f" {stranger.email.upper()} "}))
    assert response.status_code == 302
    assert stranger in secret.owners.all()


def test_adding_somebody_who_is_an_owner_changes_nothing(owner_client, owner, secret):
    assert owner_client.post(*sharing(secret, **{"sharing-new_owner": owner.email})).status_code == 302
    assert list(secret.owners.all()) == [owner]
