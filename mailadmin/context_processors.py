"""The state of mail for every page: banners, open incidents, delivery."""

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
    """A warning at the top of every page; `url` and `action` are empty for those who cannot fix it."""

    text: str
    url: str = ""
    action: str = ""
    tone: str = "warn"


def mail(request: HttpRequest) -> dict[str, object]:
    """Give signed-in users `mail_banners`, `mail_incidents` and `mail_delivery`, queried only if a page uses them."""
    if not signed_in(request):
        return {}
    now = cache(delivery_status)

    def found() -> list[Banner]:
        return banners(request, now(), readiness.problem(effective.current()))

    return {
        "mail_incidents": SimpleLazyObject(lambda: open_incidents_for(request)),
        "mail_delivery": SimpleLazyObject(now),
        "mail_banners": SimpleLazyObject(found),
    }


@dataclass(frozen=True, slots=True)
class OpenIncidents:
    """The open incidents: the newest are `shown`, `count` is their number (0: none, or no permission)."""

    shown: list[Row]
    count: int = 0

    @property
    def more(self) -> bool:
        return self.count > len(self.shown)

    @property
    def what(self) -> str:
        """The tooltip of the number in the menu."""
        return ngettext("%d is open", "%d are open", self.count) % self.count


def open_incidents_for(request: HttpRequest) -> OpenIncidents:
    """Return the open incidents for users who may see the log: one short query."""
    if not request.user.has_perm("maillog.view_log"):
        return OpenIncidents([])
    found = open_incidents()
    return OpenIncidents(rows(found[:MAX_SHOWN]), len(found))


def signed_in(request: HttpRequest) -> bool:
    """Return whether a user is signed in; requests that failed early have none."""
    user = getattr(request, "user", None)
    return bool(user and user.is_authenticated)


def banners(request: HttpRequest, now: DeliveryStatus, problem: Problem | None) -> list[Banner]:
    """Return the banners for this request: missing configuration, and the worst problem of the queue."""
    unset = configuration_banner(request, problem)
    found = [unset] if unset else []
    if now.no_worker and now.has_due:
        found.append(
            queue_banner(request, f"{gettext('Email is queued, but no worker is running.')} {now.no_worker_text}")
        )
    elif now.is_late:
        late = gettext("Email is late: the oldest message has been due for %s.") % age(now.waiting.due_seconds or 0)
        found.append(queue_banner(request, late))
    elif now.waiting.held_reason is not None and not unset:
        found.append(queue_banner(request, held_text(request, now.waiting.held_reason), tone="warn"))
    return found


def configuration_banner(request: HttpRequest, problem: Problem | None) -> Banner | None:
    """Return the banner about missing configuration, or None."""
    if problem is None:
        return None
    permission = {"secrets_app:list": "secrets_app.use_secrets"}.get(problem.url_name, "mailadmin.configure_mail")
    if not request.user.has_perm(permission):
        return Banner(problem.text)
    return Banner(problem.text, reverse(problem.url_name), problem.action)


def queue_banner(request: HttpRequest, text: str, *, tone: str = "bad") -> Banner:
    """Return a banner that links to the queue page, except on that page and for users who may not see it."""
    url = reverse("mailadmin:queue")
    if request.path == url or not request.user.has_perm("maillog.view_log"):
        return Banner(text, tone=tone)
    return Banner(text, url, gettext("Open the queue"), tone=tone)


def held_text(request: HttpRequest, reason: str) -> str:
    """Return why messages are held; the server's reply only for users who may see the log."""
    if not reason or not request.user.has_perm("maillog.view_log"):
        return gettext("Messages are held until their connection is open.")
    return gettext("Messages are held: %s") % reason
