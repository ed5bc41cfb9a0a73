"""The entries of the sidebar, the permissions they require, and which of them is current."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import Promise

register = template.Library()


@dataclass(frozen=True, slots=True)
class Entry:
    """A sidebar entry. It is omitted if its page is not installed, or if the user has none of its permissions.

    `permission` lists them, separated by spaces. Pages whose view name starts with `view` belong to it, and so do
    those of apps whose name starts with `area`.
    """

    view: str
    label: str | Promise
    icon: str
    permission: str = ""
    area: str = ""

    def current(self, view: str, app: str) -> str:
        """Return aria-current while `view` of `app` is open: "page", "true" for its area, or ""."""
        if view == self.view:
            return "page"
        belongs = view.startswith(self.view) or (self.area and app.startswith(self.area))
        return "true" if belongs else ""


ENTRIES = (
    Entry("overview", _("Overview"), "layout-dashboard"),
    Entry("maillog:list", _("Mail log"), "scroll-text", "maillog.view_log", "maillog"),
    Entry("mailadmin:queue", _("Queue"), "list-checks", "maillog.view_log"),
    Entry("mailadmin:incidents", _("Incidents"), "siren", "maillog.view_log"),
    Entry("mailadmin:test", _("Test mail"), "send", "mailadmin.send_test"),
    Entry("mailadmin:settings", _("Mail settings"), "settings", "mailadmin.configure_mail"),
    Entry("secrets_app:list", _("Secrets"), "key-round", "secrets_app.use_secrets", "secrets_app"),
    Entry("templates_app:list", _("Templates"), "file-pen", "templates_app.edit_templates", "templates_app"),
    Entry("mailadmin:keys", _("API keys"), "terminal", "mailadmin.use_api mailadmin.manage_keys", "http_api"),
    Entry("mailadmin:events", _("Events"), "file-text", "mailadmin.configure_mail"),
)


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as the template renders it; `current` is the value of aria-current."""

    href: str
    label: str | Promise
    icon: str
    current: str
    has_count: bool  # shows the number of open incidents


@register.inclusion_tag("partials/navigation.html", takes_context=True)
def navigation(context: template.Context) -> dict[str, object]:
    """Render the links that the signed-in person may open."""
    user = context.get("user")
    if user is None or not user.is_authenticated:
        return {"links": []}
    match = getattr(context.get("request"), "resolver_match", None)
    view, app = (match.view_name or "", match.namespace or "") if match else ("", "")
    links = []
    for entry in ENTRIES:
        href = _url(entry.view)
        if not href or (entry.permission and not any(map(user.has_perm, entry.permission.split()))):
            continue
        has_count = entry.view == "mailadmin:incidents"
        links.append(Link(href, entry.label, entry.icon, entry.current(view, app), has_count))
    return {"links": links, "incidents": context.get("mail_incidents")}


def _url(view: str) -> str:
    """Return the URL of the page, or "" if the URLconf does not have it."""
    try:
        return reverse(view)
    except NoReverseMatch:
        return ""
