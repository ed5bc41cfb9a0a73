"""Which value is in force, where it comes from, and what the page may not change."""

import pytest

from mailadmin.configuration import effective
from mailadmin.configuration.effective import SettingsConflictError
from mailadmin.connections import readiness
from mailadmin.models import SettingsRevision

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def save(author, revision=None, **values):
    return effective.save(values, author=author, expected_revision=revision)


def test_defaults_apply_where_nothing_is_set():
    current = effective.current()
    assert (current.driver.value, current.driver.source) == ("smtp", "default")
    assert (current.mode.value, current.mode.source) == ("background", "default")
    assert (current.from_address.value, current.revision) == ("", None)


def test_page_goes_before_environment_and_environment_before_default(admin, mail_settings):
    mail_settings(from_address="env@example.com", send_mode="instant")
    save(admin, from_address="page@example.com")
    current = effective.current()
    assert (current.from_address.value, current.from_address.source) == ("page@example.com", "page")
    assert (current.mode.value, current.mode.source) == ("instant", "environment")


def test_a_driver_from_the_environment_is_absolute(admin, mail_settings):
    save(admin, driver="smtp", from_name="Shop")
    mail_settings(driver="log")
    current = effective.current()
    assert (current.driver.value, current.driver.source) == ("log", "environment")
    assert "MAIL_DRIVER" in current.driver.lock
    save(admin, revision=current.revision, driver="smtp", from_name="Store")
    assert effective.current().driver.value == "log"


def test_saving_under_a_locked_driver_does_not_lose_what_was_saved_before(admin, mail_settings):
    first = save(admin, driver="silent")
    mail_settings(driver="log")
    save(admin, revision=first.pk, driver="smtp", from_name="Shop")
    mail_settings()
    assert effective.current().driver.value == "silent"


def test_a_driver_without_a_server_locks_the_primary_connection(admin, mail_settings):
    save(admin, primary_connection="environment")
    mail_settings(driver="log", host="mail.example.com")
    assert effective.current().primary_connection.lock


def test_mail_locked_locks_every_value_of_the_environment(admin, mail_settings):
    first = save(admin, from_address="page@example.com", from_name="Page")
    mail_settings(from_address="env@example.com", locked=True)
    current = effective.current()
    assert (current.from_address.value, bool(current.from_address.lock)) == ("env@example.com", True)
    assert (current.from_name.value, bool(current.from_name.lock)) == ("Page", False)
    save(admin, revision=first.pk, from_address="other@example.com", from_name="New")
    mail_settings()
    assert effective.current().from_address.value == "page@example.com"


def test_every_save_is_a_numbered_revision_with_author_and_changed_fields(admin):
    first = save(admin, from_name="Shop")
    second = save(admin, revision=first.pk, from_name="Shop", from_address="shop@example.com")
    assert second.changed == ["from_address"]
    assert second.author_name == str(admin)
    assert SettingsRevision.objects.count() == 2


def test_saving_without_a_change_makes_no_revision(admin):
    first = save(admin, from_name="Shop")
    assert save(admin, revision=first.pk, from_name="Shop") is None
    assert SettingsRevision.objects.count() == 1


def test_the_second_of_two_editors_is_told(admin):
    save(admin, from_name="First")
    with pytest.raises(SettingsConflictError):
        save(admin, revision=None, from_name="Second")
    assert effective.current().from_name.value == "First"


def test_without_a_connection_mail_is_not_configured():
    problem = readiness.problem(effective.current())
    assert "no connection" in problem.text


def test_without_a_from_address_mail_is_not_configured(mail_settings):
    mail_settings(host="mail.example.com")
    problem = readiness.problem(effective.current())
    assert "From address" in problem.text


def test_host_and_sender_in_the_environment_are_enough(mail_settings):
    mail_settings(host="mail.example.com", from_address="shop@example.com")
    assert readiness.problem(effective.current()) is None


def test_a_driver_that_needs_no_connection_has_no_connection_problem(mail_settings):
    mail_settings(driver="log", from_address="shop@example.com")
    assert readiness.problem(effective.current()) is None
