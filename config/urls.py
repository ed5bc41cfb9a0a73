"""The URLs of the project."""

from django.urls import include, path

from config.web import error_views
from config.web.healthz import healthz
from mailadmin.views.overview_page import overview

urlpatterns = [
    path("", overview, name="overview"),
    path("", include("users.urls")),
    path("mail/", include("mailadmin.urls")),
    path("secrets/", include("secrets_app.urls")),
    path("templates/", include("templates_app.urls")),
    path("log/", include("maillog.urls")),
    path("log/", include("mailadmin.log_action_urls")),
    path("account/", include("allauth.urls")),
    path("api/v1/", include("mailadmin.http_api.urls")),
    path("healthz", healthz, name="healthz"),
]

handler400 = error_views.bad_request
handler403 = error_views.permission_denied
handler404 = error_views.page_not_found
handler500 = error_views.server_error
