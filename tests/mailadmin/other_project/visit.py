"""Run as a program: sets the other project up from nothing, sends a message, opens every page without a parameter."""

import os

import django
from django.core.mail import send_mail
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, get_resolver

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.mailadmin.other_project.settings"
django.setup()

from django.contrib.auth.models import User  # noqa: E402  (needs the apps)

from maillog.models import Message  # noqa: E402


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
client.force_login(User.objects.create_superuser("ann", "ann@example.com", "secret"))  # type: ignore[arg-type]  # this project has its own user model
assert send_mail("Hello", "Text", None, ["bob@example.com"]) == 1
assert Message.objects.get().subject == "Hello"
for address in plain_addresses(get_resolver().url_patterns):
    status = client.get(address).status_code
    assert status in {200, 302, 401, 405, 409, 422} or address == "/mail/log/recipients/", (address, status)
    print(status, address)  # noqa: T201
