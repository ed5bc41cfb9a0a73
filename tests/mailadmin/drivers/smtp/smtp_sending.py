"""What the tests of the smtp driver have in common: mails, sending them, and looking at what came of it."""

import asyncio
import base64
import traceback

from mailadmin.drivers.base import Envelope, RevealedConnection
from mailadmin.drivers.smtp.driver import SmtpDriver
from secrets_app.kinds.smtp import SmtpForm
from tests import patience

MESSAGE = b"Subject: Hello\r\nFrom: shop@example.org\r\n\r\nGood day\r\n"
ANN, BEN, CY = "ann@example.org", "ben@example.org", "cy@example.org"
PASSWORD = "canary-Pa55word/with+signs"
TIMEOUT = 30.0  # seconds for each step, on a clock that waits for the servers


def envelope(*recipients, number=1, content=MESSAGE, sender="shop@example.org", needs_smtputf8=False):
    return Envelope(
        id=number,
        sender=sender,
        recipients=recipients or (ANN,),
        content=content,
        needs_smtputf8=needs_smtputf8,
        message_id=f"<{number}@example.org>",
        subject="Hello",
    )


def connection_to(*, password="", content_timeout=0.0, **fields):
    """Return a connection with these fields, as the driver gets it."""
    assert fields.keys() <= SmtpForm.defaults.keys()
    return RevealedConnection(
        id="1",
        name="test",
        kind="smtp",
        fields={**SmtpForm.defaults, **fields},
        secrets={"password": password} if password else {},
        content_timeout=content_timeout,
    )


def timed(server, *envelopes, **changes):
    """Send through `server` (one of the tests' servers); return the results and how many seconds that took.

    Nothing but waiting takes time, see `tests/patience.py`.
    """
    fields = {"timeout": TIMEOUT, **server.fields, **changes}

    async def go():
        loop = asyncio.get_running_loop()
        began = loop.time()
        results = await SmtpDriver().send(envelopes or (envelope(),), connection_to(**fields))
        return results, loop.time() - began

    return patience.run(go())


def send(server, *envelopes, **changes):
    """Send through `server` and return the results."""
    return timed(server, *envelopes, **changes)[0]


def send_one(server, *recipients, **changes):
    (result,) = send(server, envelope(*recipients), **changes)
    return result


def outcomes(result):
    return {address: each.outcome for address, each in result.recipients.items()}


def everything_said(result):
    """All texts in which a secret could hide, down to the local variables in the traceback."""
    texts = [repr(result), str(result)]
    if result.error:
        texts += [repr(result.error), str(result.error), repr(vars(result.error))]
        told = traceback.TracebackException.from_exception(result.error, capture_locals=True)
        texts += list(told.format())
    return "\n".join(texts)


def assert_no_password(text, password=PASSWORD, username="mailer"):
    forms = [password, base64.b64encode(password.encode()), base64.b64encode(f"\0{username}\0{password}".encode())]
    for form in forms:
        spelled = form if isinstance(form, str) else form.decode()
        assert spelled.rstrip("=") not in text
