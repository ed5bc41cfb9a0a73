"""Messages per second in instant mode, each recorded, compared with Django's `send_mail` to the same sink.

``python -m benchmarks.bench_send``
"""

import subprocess
import sys
from collections.abc import Callable
from time import perf_counter

from benchmarks.figures import report
from benchmarks.scratch import set_up

MAILS = 400
ROUNDS = 3
TEXT = "A line of some sixty characters, as in most messages.\n" * 15
HTML = "<p>A line of some sixty characters, as in most messages.</p>\n" * 15


def rate(send: Callable[[], object]) -> float:
    """Return the number of calls of `send` per second; the best of ROUNDS."""
    best = 0.0
    for _ in range(ROUNDS):
        start = perf_counter()
        for _ in range(MAILS):
            send()
        best = max(best, MAILS / (perf_counter() - start))
    return best


def main() -> None:
    """Measure, and print one JSON line per figure."""
    sink = subprocess.Popen([sys.executable, "-m", "benchmarks.sink"], stdout=subprocess.PIPE, text=True)
    try:
        assert sink.stdout is not None
        port = int(sink.stdout.readline())
        set_up(host="127.0.0.1", port=port, tls="none", from_address="shop@example.com")
        measure(port)
    finally:
        sink.terminate()


def measure(port: int) -> None:
    from django.core import mail as django_mail
    from django.core.mail.backends.smtp import EmailBackend

    from mailadmin.api import Mail, send
    from maillog.models import Message, Status

    def ours() -> None:
        send(Mail(to=["ann@example.com"], subject="Hi", text=TEXT, html=HTML, mode="instant"))

    def django() -> None:
        backend = EmailBackend(host="127.0.0.1", port=port)
        sender, to = "shop@example.com", ["ann@example.com"]
        assert django_mail.send_mail("Hi", TEXT, sender, to, html_message=HTML, connection=backend) == 1

    ours()
    django()
    mine, peer = rate(ours), rate(django)
    assert not Message.objects.exclude(status=Status.SENT).exists(), "not every message was sent"
    report("send", "instant, recorded", mine, "messages/s", ratio_to_peer=round(mine / peer, 2))
    report("send", "Django send_mail, unrecorded (peer)", peer, "messages/s")


if __name__ == "__main__":
    main()
