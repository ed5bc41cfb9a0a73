"""What every page knows about mail."""

from dataclasses import dataclass
from functools import cache

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext, ngettext

from mailadmin.configuration import effective
from mailadmin.connections import readiness
from mailadmin.connections.readiness import Problem
from mailadmin.delivery.status import DeliveryStatus, delivery_status
from mailadmin.incidents.incident_list import Row, open_incidents, rows
from maillog.durations import age

MAX_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Banner:
    """A warning at the top of every page; `url` and `action` are empty for those who cannot mend it."""

    text: str
    url: str = ""
    action: str = ""
    tone: str = "warn"


def mail(request: HttpRequest) -> dict[str, object]:
    """Give signed-in people `mail_banners`, `mail_incidents`, `mail_pulse`: free until a page shows them."""
    if not signed_in(request):
        return {}
    now = cache(delivery_status)

    def found() -> list[Banner]:
        return banners(request, now(), readiness.problem(effective.current()))

    return {
        "mail_incidents": SimpleLazyObject(lambda: open_incidents_for(request)),
        "mail_pulse": SimpleLazyObject(now),
        "mail_banners": SimpleLazyObject(found),
    }


@dataclass(frozen=True, slots=True)
class OpenIncidents:
    """What is in trouble now: `shown` are the newest of them, `count` of how many (0: none, or not for this person)."""

    shown: list[Row]
    count: int = 0

    @property
    def more(self) -> bool:
        """Whether there are more than are shown."""
        return self.count > len(self.shown)

    @property
    def what(self) -> str:
        """Return what the number in the menu counts."""
        return ngettext("%d is open", "%d are open", self.count) % self.count


def open_incidents_for(request: HttpRequest) -> OpenIncidents:
    """Return the open incidents for whoever may see the log: one short query."""
    if not request.user.has_perm("maillog.view_log"):
        return OpenIncidents([])
    found = open_incidents()
    return OpenIncidents(rows(found[:MAX_SHOWN]), len(found))


def signed_in(request: HttpRequest) -> bool:
    """Return whether somebody is signed in; requests that failed early have no user."""
    user = getattr(request, "user", None)
    return bool(user and user.is_authenticated)


def banners(request: HttpRequest, now: DeliveryStatus, problem: Problem | None) -> list[Banner]:
    """Return what the person of this request is warned of: what is not configured, and the worst about the queue."""
    unset = configuration_banner(request, problem)
    found = [unset] if unset else []
    if now.no_worker and now.has_due:
        found.append(queue_banner(request, f"{gettext('Mails wait and nobody sends them.')} {now.no_worker_text}"))
    elif now.is_late:
        late = gettext("Mails are late: the oldest has been due for %s.") % age(now.waiting.due_seconds or 0)
        found.append(queue_banner(request, late))
    elif now.waiting.held_for is not None and not unset:
        found.append(queue_banner(request, held_text(request, now.waiting.held_for), tone="warn"))
    return found


def configuration_banner(request: HttpRequest, problem: Problem | None) -> Banner | None:
    """Return the banner that says what is missing before mails can leave, or None."""
    if problem is None:
        return None
    permission = {"secrets_app:list": "secrets_app.use_secrets"}.get(problem.url_name, "mailadmin.configure_mail")
    if not request.user.has_perm(permission):
        return Banner(problem.text)
    return Banner(problem.text, reverse(problem.url_name), problem.action)


def queue_banner(request: HttpRequest, text: str, *, tone: str = "bad") -> Banner:
    """Return a banner that leads to the queue whoever may see it and does not see it now."""
    url = reverse("mailadmin:queue")
    if request.path == url or not request.user.has_perm("maillog.view_log"):
        return Banner(text, tone=tone)
    return Banner(text, url, gettext("See the queue"), tone=tone)


def held_text(request: HttpRequest, reason: str) -> str:
    """Return what held mails wait for; the server's words only to those who may see the log."""
    if not reason or not request.user.has_perm("maillog.view_log"):
        return gettext("Mails are held: they wait for a connection.")
    return gettext("Mails are held: %s") % reason
