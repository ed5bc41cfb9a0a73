"""Run as a program: sets the other project up from nothing, sends a message, opens every page without a parameter."""

import os
from dataclasses import replace
from typing import Any

import django
from django.conf import settings
from django.core.mail import send_mail
from django.core.management import call_command
from django.test import Client
from django.test.utils import override_settings
from django.urls import URLPattern, get_resolver

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.mailadmin.other_project.settings"
django.setup()

from mailadmin.api import Mail, send  # noqa: E402  (needs the apps)
from mailadmin.delivery.deliver import deliver_due  # noqa: E402
from maillog.models import Message  # noqa: E402
from secrets_app import storing  # noqa: E402
from tests.mailadmin.other_project.models import Person  # noqa: E402
from tests.smtp_server import SmtpServer  # noqa: E402


def plain_addresses(patterns, prefix="/"):
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if not isinstance(entry, URLPattern):
            yield from plain_addresses(entry.url_patterns, route)
        elif route.startswith("/mail/") and "<" not in route:
            yield route


call_command("check", fail_level="WARNING")
call_command("migrate", verbosity=0)
client = Client()
ann: Any = Person.objects.create_superuser("ann", "ann@example.com", "secret")
client.force_login(ann)
assert send_mail("Hello", "Text", None, ["bob@example.com"]) == 1
assert Message.objects.get().subject == "Hello"
by_ann = send(Mail(to=["bob@example.com"], subject="Hello", text="Text"), actor=ann)
assert Message.objects.get(pk=by_ann).actor == ann
# Through a connection that only its owner may use: the worker finds the owner.
server = SmtpServer(tls="none", username="")
server.start()
values = {"password": server.fields.pop("password", "")}
fields = {"sender": "", "ehlo_name": "", "timeout": 30.0, "verify": True, **server.fields}
storing.store(kind="smtp", name="mine", fields=fields, values=values, actor=ann, available_to_system=False)
with override_settings(MAIL=replace(settings.MAIL, driver="smtp")):
    send(Mail(to=["bob@example.com"], subject="Mine", text="Text", connection_hint="mine"), actor=ann)
    deliver_due()
server.stop()
assert Message.objects.get(subject="Mine").status == "sent"
for address in plain_addresses(get_resolver().url_patterns):
    status = client.get(address).status_code
    assert status in {200, 302, 401, 405, 409, 422} or address == "/mail/log/recipients/", (address, status)
    print(status, address)  # noqa: T201
