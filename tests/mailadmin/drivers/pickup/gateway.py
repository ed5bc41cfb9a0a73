"""What the tests of the pickup driver send, and how they read pages and results."""

import html
import re

from mailadmin.api import Mail
from mailadmin.configuration import effective
from maillog.models import Attempt, Message

MODULE = "tests.mailadmin.drivers.pickup.pickup_driver"
TOKEN = "canary-token-4711"


def save(admin, **values):
    revision = effective.current().revision
    effective.save(values, author=admin, expected_revision=revision)


def text_of(response):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", response.content.decode())).split())


def mail(**fields):
    return Mail(**{"to": ["ann@example.com"], "subject": "Hi", "text": "x", "mode": "background", **fields})


def status_of(mail_id):
    return Message.objects.get(pk=mail_id).status


def attempts_of(mail_id):
    found = Attempt.objects.filter(message=mail_id).order_by("id")
    return [(one.driver, one.connection, one.outcome) for one in found]
