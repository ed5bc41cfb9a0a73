"""Mailadmin, through its public functions: ``python -m benchmarks.drain.ours STEP NUMBER``."""

import os
import random
import time

import django

from benchmarks.drain import parcel, steps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db.models import Count  # noqa: E402

from mailadmin.api import Mail, send, send_many, template_mail  # noqa: E402
from mailadmin.delivery.deliver import deliver_due  # noqa: E402
from maillog.models import Message, Status  # noqa: E402
from templates_app.content.content import Content, Texts, Variable  # noqa: E402
from templates_app.library import catalogue, publishing  # noqa: E402

IN_HAND = (Status.QUEUED, Status.SENDING)
LOOK_AGAIN = 0.005  # seconds between two polls whether the other worker has finished
IDLE_LIMIT = 90.0  # seconds for a message on an idle system; workers poll every minute even if they are not woken
MOST_WAITING = 60.0  # seconds for a worker to empty the queue, while its memory is measured

TEMPLATE = "bench/parcel"


def prepare(_: int) -> steps.Result:
    """Create the tables, and publish the template."""
    call_command("migrate", verbosity=0)
    variables = tuple(Variable(name, sample=value) for name, value in parcel.values(0).items())
    texts = Texts(subject=parcel.SUBJECT, html=parcel.HTML, text=parcel.TEXT)
    content = Content(languages={"en": texts}, variables=variables)
    project = catalogue.create_project(key="bench", name="Benchmark")
    document = catalogue.create_document(project, "template", key="parcel", name="Parcel")
    publishing.publish(document, None, content, "For the benchmark", None)
    return {}


def mail(number: int) -> Mail:
    """Return message `number`: subject, text and HTML rendered from the stored template."""
    return template_mail(TEMPLATE, to=[parcel.recipient(number)], values=parcel.values(number))


def enqueue_one(count: int) -> steps.Result:
    """One message per call, rendered, as a web request does it."""
    return {"milliseconds": steps.milliseconds(lambda number: send(mail(number)), count)}


def enqueue_many(count: int) -> steps.Result:
    """In bulk, each rendered."""
    send_many(mail(number) for number in range(count))
    return {"mails": count}


def drain(_: int) -> steps.Result:
    """Deliver until no message is queued or being sent by another worker."""
    attempts = 0
    while True:
        made = deliver_due()
        attempts += made
        if not made:
            if not Message.objects.filter(status__in=IN_HAND).exists():
                break
            time.sleep(LOOK_AGAIN)
    assert_all_sent()
    return {"mails": attempts}


def assert_all_sent() -> None:
    found = dict(Message.objects.order_by().values_list("status").annotate(count=Count("id")))
    assert set(found) <= {Status.SENT}, f"not every message was sent: {found}"


def idle(count: int) -> steps.Result:
    """Milliseconds from the call, including rendering, until the row says “accepted” by a worker in another process.

    Pauses vary, so that they do not synchronize with the worker's timers.
    """
    chance = random.Random(1)
    found = []
    for number in range(-3, count):
        time.sleep(0.2 + chance.random() * 0.3)
        begin = time.time()
        mail_id = send(mail(abs(number)))
        message = accepted(mail_id, begin + IDLE_LIMIT)
        assert message.finished_at is not None
        if number >= 0:  # the first three wait for the worker to start
            found.append((message.finished_at.timestamp() - begin) * 1000)
    return {"milliseconds": found}


def accepted(mail_id: int, limit: float) -> Message:
    """Return the message's row once it is sent. Polls every 20 ms; the time stored in the row is used."""
    while time.time() < limit:
        message = Message.objects.get(pk=mail_id)
        if message.status == Status.SENT:
            return message
        time.sleep(0.02)
    raise TimeoutError(message.status)


def wait_until_drained(_: int) -> steps.Result:
    """Wait until a worker in another process has emptied the queue: two polls per second, for at most a minute."""
    limit = time.time() + MOST_WAITING
    left = waiting()
    while left and time.time() < limit:
        time.sleep(0.5)
        left = waiting()
    return {"left": left}


def waiting() -> int:
    return Message.objects.filter(status__in=IN_HAND).count()


if __name__ == "__main__":
    steps.run(
        {
            "prepare": prepare,
            "enqueue_one": enqueue_one,
            "enqueue_many": enqueue_many,
            "drain": drain,
            "idle": idle,
            "wait_until_drained": wait_until_drained,
        }
    )
