"""django-mailer: ``.venv-peers/bin/python -m benchmarks.peers.mailer STEP NUMBER``.

It has no templates and no setting for parallel sending; `send_all` uses one SMTP connection and one transaction per
message. Throttling is off by default; its lock file is in the scratch folder.
"""

from benchmarks.drain import parcel, steps
from benchmarks.peers.project import SCRATCH, set_up

CHUNK = 1000  # messages per call of send_messages, which its backend stores with one INSERT

set_up("mailer", MAILER_LOCK_PATH=str(SCRATCH / "mailer"), EMAIL_BACKEND="mailer.backend.DbBackend")

from django.core.mail import EmailMultiAlternatives, get_connection  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.template import Context, Template  # noqa: E402
from mailer import send_html_mail  # noqa: E402
from mailer.engine import send_all  # noqa: E402
from mailer.models import Message  # noqa: E402

TEMPLATES = [Template(source) for source in (parcel.SUBJECT, parcel.TEXT, parcel.HTML)]


def prepare(_: int) -> steps.Result:
    call_command("migrate", verbosity=0)
    return {}


def rendered(number: int) -> list[str]:
    context = Context(parcel.values(number))
    return [template.render(context) for template in TEMPLATES]


def message(number: int) -> EmailMultiAlternatives:
    subject, text, html = rendered(number)
    mail = EmailMultiAlternatives(subject, text, parcel.SENDER, [parcel.recipient(number)])
    mail.attach_alternative(html, "text/html")
    return mail


def enqueue(number: int) -> None:
    subject, text, html = rendered(number)
    send_html_mail(subject, text, html, parcel.SENDER, [parcel.recipient(number)])


def enqueue_one(count: int) -> steps.Result:
    return {"milliseconds": steps.milliseconds(enqueue, count)}


def enqueue_many(count: int) -> steps.Result:
    backend = get_connection()
    for start in range(0, count, CHUNK):
        backend.send_messages([message(number) for number in range(start, min(start + CHUNK, count))])
    return {"mails": count}


def drain(_: int) -> steps.Result:
    waiting = Message.objects.count()
    send_all()
    assert not Message.objects.exists(), "not every message was sent"
    return {"mails": waiting}


if __name__ == "__main__":
    steps.run({"prepare": prepare, "enqueue_one": enqueue_one, "enqueue_many": enqueue_many, "drain": drain})
