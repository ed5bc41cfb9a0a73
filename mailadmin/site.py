"""All pages of the mail app in one place, for another project: ``path("mail/", include("mailadmin.site"))``."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from mailadmin.activation import MAIL_APPS, missing


def pages() -> list[URLPattern | URLResolver]:
    """Return the addresses; none while apps are missing, so that the system check gets to say which."""
    if missing(MAIL_APPS, settings.INSTALLED_APPS):
        return []
    from mailadmin.views.overview_page import overview  # noqa: PLC0415  (imports models of apps that may be missing)

    return [
        path("", overview, name="overview"),
        path("", include("mailadmin.urls")),
        path("secrets/", include("secrets_app.urls")),
        path("templates/", include("templates_app.urls")),
        path("log/", include("maillog.urls")),
        path("log/", include("mailadmin.log_action_urls")),
        path("api/v1/", include("mailadmin.http_api.urls")),
    ]


urlpatterns = pages()
