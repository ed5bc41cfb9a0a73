"""Each message arrives as it does through Django's own SMTP backend, except where the table below says why not.

The same `EmailMessage` goes through both to the same real server; compared are envelope, header and every part.
"""

from email import message_from_bytes, policy
from email.message import EmailMessage as ParsedMessage

import django
import pytest
from django.core.mail.backends.smtp import EmailBackend

from mailadmin.backends import OutboxBackend
from mailadmin.delivery import deliver
from mailadmin.errors import InvalidMail
from mailadmin.message.addresses import AddressError, parse_address
from maillog.models import Message
from tests.mailadmin.outbox.django_messages import messages

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:.*(is|are) deprecated")]

REFUSED = "refused"
TWICE = "Everybody gets a message once, however often an address is listed."
CONTROL = "Control characters never stand in a header field."
NO_DOMAIN = "A mailbox without a domain is none for anybody but the machine itself."
UNREADABLE = "An address that is none is refused before it is stored, not by a server hours later."
NONE = "An empty address is left out of the header, too, which says None otherwise."
# docs/another-project.md says the same to people.
EXCEPTIONS = {
    "subject: encoded word": "What looks like an encoded word arrives as it was written.",
    "subject: escape": CONTROL,
    "subject: nul": CONTROL,
    "subject: 1500": "A subject has at most 998 characters; that of an error report is cut.",
    "to: none": NONE,
    "to: upper case": "Domains are written in lower case.",
    "to: sharp s": "Domains are written as IDNA 2008 has them: straße is another domain than strasse.",
    "to: single label": "A host without a dot needs MAIL_SINGLE_LABEL_HOSTS=true.",
    "to: no domain": NO_DOMAIN,
    "to: twice": TWICE,
    "to: twice by case": TWICE,
    "to: comment": UNREADABLE,
    "from: no domain": NO_DOMAIN,
    "headers: group": "Mail programs answer to the first of a group's members only.",
    "headers: escape": CONTROL,
    "headers: bad name": "A field name has no blank (RFC 5322 3.6.8).",
    "cc: two": TWICE,
    "cc: none": NONE,
    "bcc: two": TWICE,
    "bcc: none": TWICE,
    "reply_to: none": NONE,
}
EXCEPTIONS |= (
    {
        "subject: next line": CONTROL,
        "to: bare word": UNREADABLE,
        "headers: bcc": "A hidden recipient in a header is not hidden; Django 6 refuses it as well.",
    }
    if django.VERSION < (6, 0)
    else {
        "to: dots": "Real mailboxes of docomo have such dots; Django 6 refuses them.",
        "headers: number": "A number is taken for its digits, as Django 5.2 does.",
    }
)


@pytest.fixture
def server(start_smtp, mail_settings, secret):
    server = start_smtp(tls="none", username="")
    mail_settings(driver="smtp", from_address="shop@example.com")
    secret("relay", server)
    return server


def through_django(server):
    """Return what arrives of each message by name."""
    arrived = {}
    with EmailBackend(host="127.0.0.1", port=server.port, use_tls=False, alias="beside") as backend:
        for name, build in messages():
            before = len(server.mails)
            try:
                backend.send_messages([build()])
            except Exception:  # noqa: BLE001  (whatever it raises, the message did not leave)
                arrived[name] = REFUSED
            else:
                arrived[name] = seen(server.mails[before]) if len(server.mails) > before else REFUSED
    return arrived


def through_the_outbox(server):
    """Return what arrives of each message by name."""
    arrived = {}
    ids = {}
    for name, build in messages():
        try:
            OutboxBackend().send_messages([build()])
        except (InvalidMail, TypeError):
            arrived[name] = REFUSED
        else:
            ids[Message.objects.latest("pk").message_id] = name
    before = len(server.mails)
    deliver.deliver_due()
    assert not Message.objects.exclude(status="sent").exists()
    return arrived | {ids[message_id(mail)]: seen(mail) for mail in server.mails[before:]}


def message_id(mail):
    return "".join(str(message_from_bytes(mail.content)["Message-ID"]).split())


def mailbox(text):
    try:
        return parse_address(text, single_label=True)
    except AddressError:
        return text


def seen(mail):
    """Return what somebody sees of a message: nothing of how it is encoded, folded or bounded."""
    parsed = message_from_bytes(mail.content, policy=policy.default)
    assert isinstance(parsed, ParsedMessage)
    technical = {"message-id", "date", "mime-version", "content-type", "content-transfer-encoding"}
    header = sorted((name.lower(), "".join(str(value).split())) for name, value in parsed.items())
    parts = [
        (part.get_content_type(), part.get_filename(), part.get_content_disposition(), content(part))
        for part in parsed.walk()
        if not part.is_multipart()
    ]
    return {
        "sender": mailbox(mail.sender),
        "recipients": [mailbox(one) for one in mail.recipients],
        "header": [field for field in header if field[0] not in technical],
        "parts": parts,
    }


def content(part):
    data = part.get_payload(decode=True)
    if part.get_content_maintype() != "text":
        return data
    text = data.decode(part.get_content_charset() or "ascii", "replace")
    return "\n".join(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")).rstrip("\n")


def test_every_message_arrives_as_with_django_or_the_difference_has_a_reason(server):
    theirs, ours = through_django(server), through_the_outbox(server)
    assert theirs.keys() == ours.keys()
    assert len(theirs) >= 142
    different = {name: (theirs[name], ours[name]) for name in theirs if theirs[name] != ours[name]}
    assert different.keys() == EXCEPTIONS.keys(), {
        name: different.get(name, "the same") for name in different.keys() ^ EXCEPTIONS.keys()
    }
