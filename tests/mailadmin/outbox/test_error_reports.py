"""An error report always arrives, and nothing about sending it ever comes out of ``logger.error()``."""

import logging
from email import message_from_bytes, policy

import pytest
from django.core.mail import EmailMessage, get_connection, mail_admins, send_mail
from django.db import OperationalError
from django.utils.log import AdminEmailHandler

from mailadmin.backends import OutboxBackend
from mailadmin.errors import InvalidMail
from maillog.content.storage import unpack
from maillog.models import Content, Message
from maillog.queue import enqueueing
from tests.cases import case

# Django 6.1 warns of an API that is older; it is still there, and people's projects use it.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:.*(is|are) deprecated")]


@pytest.fixture(autouse=True)
def configured(mail_settings, settings):
    settings.ADMINS = [("Ops", "ops@example.com")]
    settings.SERVER_EMAIL = "server@example.com"
    return mail_settings(driver="silent", from_address="shop@example.com")


@pytest.fixture
def log():
    """Return a logger whose records are sent as error reports, as AdminEmailHandler does it in every project."""
    logger = logging.Logger("reported")  # noqa: LOG001  (no other test may get it)
    logger.addHandler(AdminEmailHandler(include_html=True))
    return logger


def stored():
    return message_from_bytes(unpack(Content.objects.latest("pk").mime), policy=policy.default)


def text():
    return stored().get_body(("plain",)).get_content().replace("\r\n", "\n")


def test_whatever_the_message_holds(log):
    for record in (
        "plain",
        "a\tb",
        "\x1b[31mred\x1b[0m",
        "line\x85line",
        "line\nline\r\nline",
        "\u2028\x00\x7f",
        "half \ud800 a character",
        "ü" * 3_000,
        "word " * 2_000,
        "x" * 3_000_000,
    ):
        with case(record[:20]):
            Message.objects.all().delete()
            log.error(record)
            row = Message.objects.get()
            assert row.subject.startswith("[Django] ERROR:")
            assert row.to_text == "ops@example.com"


def test_with_the_traceback_and_the_whole_message_in_the_text(log):
    try:
        raise ValueError("the cause")
    except ValueError:
        log.exception("%s end", "word " * 300)
    assert len(stored()["Subject"]) <= 201
    assert stored()["Subject"].endswith("…")
    assert "word word" in text()
    assert " end\n" in text()
    assert "ValueError" in text()


def test_of_a_subject_that_was_cut_the_text_says_all():
    mail_admins("word " * 300 + "end", "Text")
    assert text().rstrip("\n") == "[Django] " + "word " * 300 + "end\n\nText"


def test_from_a_host_without_a_dot_as_well(log, settings, mail_settings):
    settings.SERVER_EMAIL = "root@web01"
    settings.ADMINS = [("Ops", "root@mailhost")]
    log.error("down")
    assert stored()["From"] == '"root@web01" <shop@example.com>'
    assert Message.objects.get().to_text == "root@mailhost"
    mail_settings(driver="silent", from_address="shop@example.com", single_label_hosts=True)
    log.error("down")
    assert stored()["From"] == "root@web01"
    mail_settings(driver="silent")
    log.error("down")
    assert stored()["From"] == "root@web01"


def test_to_names_that_are_no_addresses_is_logged_with_the_reason(log, settings, caplog):
    settings.ADMINS = [("Ops", "nobody")]
    log.error("down")
    assert not Message.objects.exists()
    assert "“nobody” is not an email address" in caplog.text


def test_neither_a_failing_database_nor_anything_else_comes_out_of_logging(log, caplog, monkeypatch):
    for error in (OperationalError("database is locked"), ValueError("a fault of ours"), InvalidMail("to", "is odd")):
        with case(error), monkeypatch.context() as patch:

            def fail(*_args, error=error, **_options):
                raise error

            patch.setattr(enqueueing, "_insert", fail)
            log.error("down")
            assert str(error) in caplog.text
            assert caplog.records[-1].levelno == logging.WARNING
            caplog.clear()
    assert not Message.objects.exists()


def test_a_report_about_a_report_is_not_sent(caplog, monkeypatch):
    handler = AdminEmailHandler()
    ours = logging.getLogger("mailadmin.backends")

    def fail(*_args, **_options):
        logging.getLogger("mailadmin.backends").error("the database is away")
        raise OperationalError("away")

    monkeypatch.setattr(enqueueing, "_insert", fail)
    monkeypatch.setattr(ours, "handlers", [handler])
    ours.error("first")
    assert "An error report was not stored" in caplog.text


def test_other_messages_are_not_repaired(log):
    with pytest.raises(InvalidMail):
        EmailMessage("a\x1bb", "x", "server@example.com", ["ops@example.com", "eve@example.com"]).send()
    with pytest.raises(InvalidMail):
        EmailMessage("a\x1bb", "x", "other@example.com", ["ops@example.com"]).send()


def test_what_fail_silently_swallows_is_logged_and_the_others_are_stored(caplog):
    messages = [
        EmailMessage("first", "x", None, ["ann@example.com"]),
        EmailMessage("second\x1b", "x", None, ["ann@example.com"]),
        EmailMessage("third", "x", None, ["nobody"]),
        EmailMessage("fourth", "x", None, ["ann@example.com"]),
    ]
    assert get_connection(fail_silently=True).send_messages(messages) == 2
    assert list(Message.objects.order_by("pk").values_list("subject", flat=True)) == ["first", "fourth"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "subject: contains a control character" in caplog.text
    assert "second\\x1b" in caplog.text
    assert "\x1b" not in caplog.text
    assert "“nobody” is not an email address" in caplog.text


def test_a_failing_database_is_swallowed_only_where_that_was_asked_for(caplog, monkeypatch, settings):
    def fail(*_args, **_options):
        raise OperationalError("database is locked")

    monkeypatch.setattr(enqueueing, "_insert", fail)
    assert send_mail("Hi", "x", None, ["ann@example.com"], fail_silently=True) == 0
    assert "database is locked" in caplog.text
    with pytest.raises(OperationalError):
        send_mail("Hi", "x", None, ["ann@example.com"])
    if not hasattr(settings, "MAILERS"):  # there it cannot be asked for
        with pytest.raises(OperationalError):
            mail_admins("down", "x")


def test_a_mailer_of_the_settings_has_no_way_to_be_silent_and_needs_none(monkeypatch, caplog):
    def fail(*_args, **_options):
        raise OperationalError("database is locked")

    monkeypatch.setattr(enqueueing, "_insert", fail)
    backend = OutboxBackend(alias="default")  # as Django 6.1 makes it
    assert backend.send_messages([EmailMessage("down", "x", "server@example.com", ["ops@example.com"])]) == 0
    assert "database is locked" in caplog.text
    with pytest.raises(OperationalError):
        backend.send_messages([EmailMessage("Hi", "x", None, ["ann@example.com"])])
    silent = OutboxBackend(alias="default", fail_silently=True)  # OPTIONS = {"fail_silently": True}
    assert silent.send_messages([EmailMessage("Hi", "x", None, ["ann@example.com"])]) == 0
