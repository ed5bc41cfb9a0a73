"""django-post-office's list in Django's admin, with the same messages as our log.

Runs the commands of `benchmarks.log.asking`. Its pages have as many messages as ours; everything else is the default.
"""

import os
import sys
import time
from datetime import UTC, datetime
from urllib.parse import urlencode

from benchmarks.log import asking
from benchmarks.log.mails import CHUNK, SENDER, mails, texts
from benchmarks.log.queries import PAGE
from benchmarks.peers.project import set_up

CONTRIB = ["django.contrib.auth", "django.contrib.sessions", "django.contrib.messages", "django.contrib.admin"]
OF_ADMIN = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

set_up(
    *CONTRIB,
    "post_office",
    ROOT_URLCONF="benchmarks.peers.post_office_log",
    MIDDLEWARE=OF_ADMIN,
    SECRET_KEY="only-for-benchmarks-" + "x" * 40,
    ALLOWED_HOSTS=["localhost"],
    STATIC_URL="static/",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
)

from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402
from post_office.admin import EmailAdmin  # noqa: E402
from post_office.models import STATUS, Email, Log  # noqa: E402

urlpatterns = [path("admin/", admin.site.urls)]
STATUSES = {
    **dict.fromkeys(("sent", "uncertain", "logged"), STATUS.sent),
    **dict.fromkeys(("failed", "skipped"), STATUS.failed),
    **dict.fromkeys(("queued", "sending", "held"), STATUS.queued),
    "deferred": STATUS.requeued,
}
EmailAdmin.list_per_page = PAGE


def prepare(rows, now, *, bodies):
    call_command("migrate", verbosity=0)
    User.objects.create_superuser("admin", "admin@example.com", "correct-horse-battery")
    begin = time.perf_counter()
    fill(rows, datetime.fromisoformat(now).astimezone(UTC), bodies)
    seconds = time.perf_counter() - begin
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    return {"seconds": seconds}


def fill(rows, now, bodies):
    as_time = (lambda moment: str(moment)[:-6]) if connection.vendor == "sqlite" else (lambda moment: moment)
    contents = [texts(number) if bodies else ("", "") for number in range(200)]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous = OFF; ")
    emails, logs = [], []
    for pk, mail in enumerate(mails(rows, now=now), 1):
        text, html = contents[mail.number % 200]
        created, ended = as_time(mail.created), as_time(mail.finished or mail.created)
        status = int(STATUSES[mail.status])
        emails.append(
            (
                *(pk, SENDER, ", ".join(mail.to), "", "", mail.subject, text, html, status, 1, created, ended),
                *(None, f"<{pk}.bench@northwind.example>", max(mail.attempt_count - 1, 0), "{}", ""),
            )
        )
        if status != STATUS.queued:  # one row per delivery, as with LOG_LEVEL 2
            outcome = int(STATUS.sent if status == STATUS.sent else STATUS.failed)
            logs.append((pk, ended, outcome, "SMTPRecipientsRefused" if mail.reason else "", mail.reason))
        if len(emails) == CHUNK:
            write(emails, logs)
            emails, logs = [], []
    write(emails, logs)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval(pg_get_serial_sequence('post_office_email', 'id'), %s)", [rows])


EMAIL = 'id, from_email, "to", cc, bcc, subject, message, html_message, status, priority, created, last_updated'
EMAIL += ", scheduled_time, message_id, number_of_retries, headers, backend_alias"
LOG = "email_id, date, status, exception_type, message"


def write(emails, logs):
    with transaction.atomic(), connection.cursor() as cursor:
        for table, columns, rows in ((Email._meta.db_table, EMAIL, emails), (Log._meta.db_table, LOG, logs)):
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL session_replication_role = replica")
                with cursor.cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            elif rows:
                marks = ", ".join(["%s"] * len(rows[0]))
                cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)


def page(parameters, *, requests, most_seconds):
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get())
    address = f"/admin/post_office/email/?{urlencode(parameters)}"

    def get():
        response = client.get(address)
        assert response.status_code == 200, (address, response.status_code)

    return asking.page(get, requests=requests, most_seconds=most_seconds)


def counts(requests):
    return asking.page(Email.objects.count, requests=requests, most_seconds=10)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.modules["benchmarks.peers.post_office_log"] = sys.modules["__main__"]  # whose `urlpatterns` Django asks for
    asking.serve({"prepare": prepare, "page": page, "counts": counts})
