"""URLs of the account pages; the others are allauth's, below ``/account/``."""

from django.urls import path, re_path
from django.views.generic import RedirectView

from users import views

app_name = "users"
urlpatterns = [
    path("setup/", views.setup, name="setup"),
    path("account/", RedirectView.as_view(pattern_name="users:account")),
    path("account/profile/", views.account, name="account"),
    path("account/sessions/<int:pk>/ending/", views.session_ending, name="session_ending"),
    # People neither change nor confirm their addresses, so allauth's pages for that stay closed.
    path("account/email/", RedirectView.as_view(pattern_name="users:account")),
    re_path(r"^account/confirm-email/", views.not_here),
]
