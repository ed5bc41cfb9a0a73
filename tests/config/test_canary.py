"""Two passwords that must be found nowhere: one typed into the form of a secret, one set as MAIL_PASSWORD.

Both go to real servers that refuse the sign-in and repeat what they were sent, encoded and in clear; then everything
that the installation shows, stores, prints or reports is searched. `tests/secrets_app/test_canary.py` does the same for
the vault's own pages and failures.
"""

import base64
import io
import logging
from collections.abc import Iterator

import pytest
from aiosmtplib.protocol import SMTPProtocol
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import path
from django.views.debug import ExceptionReporter

from config import urls as project_urls
from mailadmin.configuration.effective import current
from mailadmin.connections import revealing
from mailadmin.delivery import retry, submission
from mailadmin.diagnosis import testmail
from mailadmin.drivers.smtp import connecting, driver
from maillog.content.storage import unpack
from maillog.models import Attempt, Content, Message
from maillog.queue import settling
from secrets_app import egress_rules, vault
from secrets_app.models import Secret, SecretValue
from tests.cases import case
from tests.config.site import PAGES, freshly_signed_in
from tests.factories import make_admin
from tests.smtp_faults import reply

pytestmark = pytest.mark.django_db(transaction=True)

TYPED, SET = "Kanarienvogel-7781-getippt", "Kanarienvogel-7782-gesetzt"
NUL = "\0"


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def forms(password: str) -> set[str]:
    """The password in clear, and what it looks like at any place inside a base64 text."""
    coded = {in_base64(NUL * start + password)[4 * bool(start) : -4] for start in range(3)}
    return {text.lower() for text in {password[1:-1], password[::-1], password.encode().hex(), *coded}}


HIDDEN = forms(TYPED) | forms(SET)


def search(text: object, where: str) -> None:
    lowered = str(text).lower()
    assert not [form for form in HIDDEN if form in lowered], where


def test_the_search_finds_what_it_looks_for():
    for text in (TYPED, f"x{SET}y", in_base64(f"{NUL}mailer{NUL}{TYPED}"), SET.encode().hex()):
        with pytest.raises(AssertionError):
            search(text, "here")


# ---------------------------------------------------------------- an installation in which it went wrong


class Trouble:
    """Mails were refused on both connections, instantly and in the background, on the page and on the command line."""

    def __init__(self, client: Client, jobs, start, mail_settings, tmp_path):
        self.client, self.printed, self.file = client, io.StringIO(), tmp_path / "mail.log"
        self.servers = [
            start(
                username="mailer",
                mechanisms=mechanisms,
                faults={"auth": reply(f"535-5.7.8 {{line}}\r\n535 5.7.8 {said}")},
            )
            for mechanisms, said in (("PLAIN", f"you said {TYPED}"), ("LOGIN", f"{SET.upper()} is wrong"))
        ]
        first, second = self.servers
        self.outside = {"host": "localhost", "port": second.port, "username": "mailer", "password": SET, "tls": "none"}
        self.outside |= {"from_address": "shop@example.com", "log_file": self.file}
        mail_settings(send_mode="instant", **self.outside)
        typed = {
            "name": "Relay",
            "host": "localhost",
            "port": first.port,
            "tls": "none",
            "username": "mailer",
            "password": TYPED,
            "sender": "",
            "ehlo_name": "",
            "timeout": "60",
            "ca_pem": "",
            "available_to_system": "on",
        }
        assert client.post("/secrets/new/smtp/", typed).status_code == 302
        self.secret = Secret.objects.get()
        self.send()
        mail_settings(send_mode="background", **self.outside)
        self.send()
        jobs.run()
        for name in ("Relay", "environment"):
            self.run("mail_test", "ann@example.com", "--connection", name)
            self.run("mail_test", "ann@example.com", "--connection", name, "--check")
        self.run("mail_config", "--check")
        self.run("mail_config", "--json")
        self.run("mail_log", "--limit", "50")
        self.run("mail_log", "--json")
        self.run("dumpdata", "--traceback")
        mail_settings(driver="log", **self.outside)
        self.send()
        jobs.run()

    def send(self) -> None:
        for hint in ("", str(self.secret.pk)):
            response = self.client.post("/mail/test/", {"to": "ann@example.com", "connection": hint})
            assert response.status_code == 302, response.content.decode()

    def run(self, *words: str) -> None:
        try:
            call_command(*words, stdout=self.printed, stderr=self.printed)
        except CommandError as error:
            self.printed.write(f"{error!r} {error} {error.__cause__!r} {error.__context__!r}")


@pytest.fixture
def trouble(start_faulty_smtp, jobs, mail_settings, tmp_path, caplog):
    with caplog.at_level(logging.DEBUG):
        client = freshly_signed_in(make_admin(), raise_request_exception=False)
        return Trouble(client, jobs, start_faulty_smtp, mail_settings, tmp_path)


def addresses(secret: int) -> Iterator[str]:
    """Every page of the site, and those about mails for each mail and tab."""
    mails = list(Message.objects.values_list("pk", flat=True))
    for page in PAGES:
        for mail in mails if "{mail}" in page.path else [0]:
            address = page.filled(mail=mail, secret=secret)
            yield address
            if page.path == "/log/{mail}/":
                yield from (f"{address}?tab={tab}" for tab in ("text", "headers", "source"))


def test_the_servers_repeated_them_and_nobody_else_does(trouble, settings, caplog, capfd):
    first, second = trouble.servers
    assert f"AUTH PLAIN {in_base64(f'{NUL}mailer{NUL}{TYPED}')}" in first.lines
    assert in_base64(SET) in second.lines
    replies = list(Attempt.objects.values_list("reply", flat=True))
    assert len([text for text in replies if "you said" in text]) >= 2
    assert len([text for text in replies if "is wrong" in text]) >= 2

    search(trouble.printed.getvalue(), "commands")
    assert "you said" in trouble.printed.getvalue()
    assert "=== end of mail" in trouble.file.read_text()
    search(trouble.file.read_bytes(), "mail log file")

    settings.DEBUG = True  # every query is logged
    with caplog.at_level(logging.DEBUG):
        for address in addresses(trouble.secret.pk):
            response = trouble.client.get(address)
            said = b"".join(response.streaming_content) if response.streaming else response.content
            search(said.decode() + str(response.headers), address)
    assert caplog.records
    for record in caplog.records:
        search(record.__dict__, "log record")
    search(caplog.text, "log")
    search("".join(capfd.readouterr()), "standard output")


def test_no_table_holds_them(trouble):
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        assert {"secrets_app_secretvalue", "maillog_attempt", "django_session"} <= set(tables)
        for table in tables:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                search([bytes(value) if isinstance(value, memoryview) else value for value in row], table)
    for session in Session.objects.all():
        search(session.get_decoded(), "session")
    for content in Content.objects.all():
        search(unpack(content.mime), "content of a mail")
    assert SecretValue.objects.get().ciphertext


def test_no_representation_holds_them(trouble, settings):
    known = vault.connections()
    revealed = [revealing.revealed(one) for one in known]
    servers = [driver.server_of(one) for one in revealed]
    assert {server.password for server in servers} == {TYPED, SET}
    for thing in [
        settings.MAIL,
        current(),
        *known,
        *revealed,
        *servers,
        trouble.secret,
        *SecretValue.objects.all(),
        *Message.objects.all(),
    ]:
        search(repr(thing) + str(thing), type(thing).__name__)
        search(f"{thing}", type(thing).__name__)


# ---------------------------------------------------------------- failures of our own


def fail(*args, **kwargs):
    del args, kwargs
    raise RuntimeError("something broke in here")


async def fail_at_the_sign_in(client, *words, send=SMTPProtocol.execute_command, **options):
    if words[0] == b"AUTH":
        del words, options
        fail()
    return await send(client, *words, **options)


PLACES = [
    (driver, "SmtpServer", fail),
    (submission, "envelope", fail),
    (retry, "settlement", fail),
    (settling, "settle", fail),
    (egress_rules, "resolve", fail),
    (SMTPProtocol, "execute_command", fail_at_the_sign_in),
    (connecting, "Redactor", fail),
]


def test_no_report_of_a_failure_while_sending_holds_them(trouble, mail_settings, settings, monkeypatch, caplog, capfd):
    mail_settings(send_mode="instant", **trouble.outside)
    settings.DEBUG = True
    monkeypatch.setattr(testmail, "MAX_PER_MINUTE", 100)
    reported = []
    for where, name, failure in PLACES:
        with case(where, name), monkeypatch.context() as patched:
            patched.setattr(where, name, failure)
            caplog.clear()
            if search_reports_of_a_failure(trouble, caplog):
                reported.append(name)
            search("".join(capfd.readouterr()), "standard output")
    assert len(reported) >= 4, reported


def search_reports_of_a_failure(trouble: Trouble, caplog) -> bool:
    """Return whether a report holds the failure; what breaks while connecting is a fault of the connection instead."""
    with caplog.at_level(logging.DEBUG):
        for hint in ("", str(trouble.secret.pk)):
            response = trouble.client.post("/mail/test/", {"to": "ann@example.com", "connection": hint}, follow=True)
            search(response.text, "page")
    failures = [record.exc_info for record in caplog.records if record.exc_info]
    for info in failures:
        assert info
        for reporter in (ExceptionReporter(None, *info), ExceptionReporter(response.wsgi_request, *info)):
            search(reporter.get_traceback_text(), "text of the report")
            search(reporter.get_traceback_html(), "page of the report")
    search(caplog.text, "log")
    return any("something broke in here" in str(info[1]) for info in failures if info)


def crash(request):
    sending = [driver.server_of(revealing.revealed(one)) for one in vault.connections()]
    raise RuntimeError(f"something broke in here, with {len(sending)} servers")


urlpatterns = [path("crash/", crash), *project_urls.urlpatterns]


def test_the_technical_error_page_shows_no_secret(trouble, settings, caplog):
    settings.DEBUG = True
    settings.ROOT_URLCONF = __name__
    settings.QUEUE_URL = f"redis://:{SET}@localhost:6379/0"
    environ = {"MAIL_PASSWORD": SET, "DATABASE_URL": f"postgres://u:{SET}@h/d", "QUEUE_URL": f"redis://:{SET}@h"}
    response = trouble.client.post("/crash/", {"password": TYPED, "other": TYPED}, **environ)
    assert response.status_code == 500
    assert "something broke in here, with 2 servers" in response.content.decode()
    search(response.content.decode(), "technical page")
    plain = trouble.client.post("/crash/", {"password": TYPED}, headers={"accept": "text/plain"}, **environ)
    search(plain.content.decode(), "technical text")
    search(caplog.text, "log")
