"""Microseconds to build a message of 2 kB (text and HTML): our builder, Django's classes, the standard library.

Run as `python -m benchmarks.bench_mime`; prints one JSON line per figure. The three alternate, and the best
round of each counts, so that the ratios are valid on a shared machine.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from mailadmin.message.addresses import Address
from mailadmin.message.mime import build

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 15
SECONDS_A_ROUND = 0.03
MESSAGE_ID = "<5f1e2d3c4b5a6.0123456789abcdef01234567@example.com>"
DATE = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


class Sample(NamedTuple):
    """One message, the input of all three builders."""

    name: str
    sender: Address
    to: Address
    reply_to: Address
    subject: str
    text: str
    html: str


def samples() -> list[Sample]:
    """Return the same message in ASCII, and with non-ASCII letters in headers and bodies; 1 kB text and 1 kB HTML."""
    mails = []
    for name, shop, person, subject, line in (
        ("ascii", "Example Shop", "Ann Lee", "Your order 4711 is on its way", "Your parcel has left our house today."),
        (
            "non_ascii",
            "Käserei Müßig",
            "Zoë Çelik",
            "Ihre Bestellung ist unterwegs: schöne Grüße",
            "Schöne Grüße an alle.",
        ),
    ):
        lines = [f"{line} {number:03}" for number in range(1000 // (len(line) + 5))]
        mails.append(
            Sample(
                name=name,
                sender=Address(shop, "shop", "example.com"),
                to=Address(person, "ann", "example.org"),
                reply_to=Address("", "help", "example.com"),
                subject=subject,
                text="\n".join(lines),
                html="<html><body>" + "\n".join(f"<p>{one}</p>" for one in lines) + "</body></html>",
            )
        )
    return mails


def ours(mail: Sample) -> bytes:
    """Build with `mailadmin.message.mime`."""
    return build(
        sender=mail.sender,
        to=(mail.to,),
        cc=(),
        reply_to=(mail.reply_to,),
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        attachments=(),
        headers={},
        message_id=MESSAGE_ID,
        date=DATE,
    ).content


def django(mail: Sample) -> bytes:
    """Build with Django's email classes."""
    message = EmailMultiAlternatives(
        mail.subject,
        mail.text,
        str(mail.sender),
        [str(mail.to)],
        reply_to=[str(mail.reply_to)],
        headers={"Message-ID": MESSAGE_ID, "Date": format_datetime(DATE)},
    )
    message.attach_alternative(mail.html, "text/html")
    return bytes(message.message().as_bytes(linesep="\r\n"))  # type: ignore[call-arg]


def standard_library(mail: Sample) -> bytes:
    """Build with `email.message.EmailMessage`."""
    message = EmailMessage(policy=SMTP)
    message["From"] = str(mail.sender)
    message["To"] = str(mail.to)
    message["Reply-To"] = str(mail.reply_to)
    message["Subject"] = mail.subject
    message["Date"] = DATE
    message["Message-ID"] = MESSAGE_ID
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message.as_bytes()


BUILDERS: dict[str, Callable[[Sample], bytes]] = {
    "mailadmin": ours,
    "django": django,
    "standard_library": standard_library,
}


def best_microseconds(mail: Sample) -> dict[str, float]:
    """Return microseconds per build, by builder; the best of all rounds."""
    best = dict.fromkeys(BUILDERS, float("inf"))
    for _ in range(ROUNDS):
        for name, builder in BUILDERS.items():
            count = 0
            start = time.perf_counter()
            while (elapsed := time.perf_counter() - start) < SECONDS_A_ROUND or not count:
                builder(mail)
                count += 1
            best[name] = min(best[name], elapsed / count * 1e6)
    return best


def main() -> None:
    """Time both messages and print the figures."""
    if not settings.configured:
        settings.configure(USE_I18N=False)
    for mail in samples():
        best = best_microseconds(mail)
        for name, microseconds in best.items():
            figure = {
                "benchmark": f"mime_build_{mail.name}",
                "builder": name,
                "microseconds": round(microseconds, 1),
                "times_mailadmin": round(microseconds / best["mailadmin"], 1),
                "octets": len(BUILDERS[name](mail)),
            }
            print(json.dumps(figure))


if __name__ == "__main__":
    main()
