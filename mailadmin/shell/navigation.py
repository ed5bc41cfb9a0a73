"""The entries of the sidebar: which there are, who sees them, and which of them the open page belongs to.

Put together here, because as templates the nine entries took a tenth of every page's time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from django import template
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from mailadmin.shell.icons import icon

if TYPE_CHECKING:
    from django.utils.functional import Promise

register = template.Library()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. It is left out where its page is not installed, or for those with none of the words of `permission`.

    To it belong the pages whose name begins with its own, or, with an `area`, those of apps whose name does.
    """

    view: str
    label: str | Promise
    icon: str
    permission: str = ""
    area: str = ""

    def current(self, view: str, app: str) -> str:
        """Return what aria-current says while `view` of `app` is open: "page", "true" for its area, or nothing."""
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


@register.simple_tag(takes_context=True)
def navigation(context: template.Context) -> SafeString:
    """Return the list items for whoever is signed in; how many incidents are open stands at theirs."""
    user = context.get("user")
    if user is None or not user.is_authenticated:
        return mark_safe("")
    match = getattr(context.get("request"), "resolver_match", None)
    view, app = (match.view_name or "", match.namespace or "") if match else ("", "")
    items = []
    for entry in ENTRIES:
        href = _address(entry.view, get_script_prefix(), get_urlconf())
        if not href or (entry.permission and not any(map(user.has_perm, entry.permission.split()))):
            continue
        current = entry.current(view, app)
        mark = f' aria-current="{current}"' if current else ""
        label = escape(str(entry.label))
        count = _incidents(context) if entry.view == "mailadmin:incidents" else ""
        items.append(f'<li><a href="{href}"{mark}>{icon(entry.icon, size=18)}{label}{count}</a></li>')
    return mark_safe("\n".join(items))  # noqa: S308  (words are escaped)


@lru_cache(maxsize=100)
def _address(view: str, prefix: str, urlconf: str | None) -> str:
    """Return the page's address below `prefix`, nothing if it is not among those of `urlconf`."""
    try:
        return reverse(view)
    except NoReverseMatch:
        return ""


def _incidents(context: template.Context) -> str:
    incidents = context.get("mail_incidents")
    if not incidents or not incidents.count:
        return ""
    return format_html(' <span class="nav-count" title="{}">{}</span>', incidents.what, incidents.count)
