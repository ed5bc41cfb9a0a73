"""Where the pages about accounts are; what is not here is allauth's, under ``/account/``."""

from django.urls import path, re_path
from django.views.generic import RedirectView

from users import views

app_name = "users"
urlpatterns = [
    path("setup/", views.setup, name="setup"),
    path("account/", RedirectView.as_view(pattern_name="users:account")),
    path("account/profile/", views.account, name="account"),
    path("account/sessions/<int:pk>/ending/", views.session_ending, name="session_ending"),
    # Addresses are neither changed nor confirmed by their owners, so allauth's pages for that stay closed.
    path("account/email/", RedirectView.as_view(pattern_name="users:account")),
    re_path(r"^account/confirm-email/", views.not_here),
]
