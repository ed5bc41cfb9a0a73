"""django-post-office: ``.venv-peers/bin/python -m benchmarks.peers.post_office STEP NUMBER``.

Batches of 1,000 and 5 threads, and batches of 4,000 and 10 threads, were the best of sixteen combinations on two cores;
the benchmark drains with both, and the better one counts. Its log keeps the default (level 2, one row per delivery),
because ours also records every attempt.
"""

import os

from benchmarks.drain import parcel, steps
from benchmarks.peers.project import SCRATCH, set_up

CHUNK = 1000  # messages per call of send_many; 20,000 in one call are no faster

set_up(
    "post_office",
    POST_OFFICE={
        "BATCH_SIZE": int(os.environ.get("BENCH_BATCH", "1000")),  # default: 100
        "THREADS_PER_PROCESS": int(os.environ.get("BENCH_THREADS", "5")),
        "LOG_LEVEL": 2,
    },
)

from django.core.management import call_command  # noqa: E402
from post_office import mail  # noqa: E402
from post_office.models import STATUS, Email, EmailTemplate  # noqa: E402


def prepare(_: int) -> steps.Result:
    call_command("migrate", verbosity=0)
    EmailTemplate.objects.create(name="parcel", subject=parcel.SUBJECT, content=parcel.TEXT, html_content=parcel.HTML)
    return {}


def arguments(number: int) -> dict[str, object]:
    return {
        "recipients": [parcel.recipient(number)],
        "sender": parcel.SENDER,
        "template": "parcel",
        "context": parcel.values(number),
    }


def enqueue_one(count: int) -> steps.Result:
    """One message per call, rendered, as a web request does it."""
    return {"milliseconds": steps.milliseconds(lambda number: mail.send(**arguments(number)), count)}


def enqueue_many(count: int) -> steps.Result:
    """In bulk, rendered when enqueued, as ours does."""
    for start in range(0, count, CHUNK):
        mail.send_many([arguments(number) for number in range(start, min(start + CHUNK, count))])
    return {"mails": count}


def enqueue_many_unrendered(count: int) -> steps.Result:
    """In bulk, its faster way: template and values are stored, and rendered on delivery."""
    for start in range(0, count, CHUNK):
        mail.send_many(
            [{**arguments(number), "render_on_delivery": True} for number in range(start, min(start + CHUNK, count))]
        )
    return {"mails": count}


def drain(processes: int) -> steps.Result:
    """Its command that sends until the queue is empty."""
    waiting = Email.objects.filter(status=STATUS.queued).count()
    call_command("send_queued_mail", processes=processes, lockfile=str(SCRATCH / "post_office"))
    assert not Email.objects.exclude(status=STATUS.sent).exists(), "not every message was sent"
    return {"mails": waiting}


if __name__ == "__main__":
    steps.run(
        {
            "prepare": prepare,
            "enqueue_one": enqueue_one,
            "enqueue_many": enqueue_many,
            "enqueue_many_unrendered": enqueue_many_unrendered,
            "drain": drain,
        }
    )
