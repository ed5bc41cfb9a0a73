"""The log's pages, below /log/."""

from django.urls import path

from maillog.views import mail, mails

app_name = "maillog"
urlpatterns = [
    path("", mails.listing, name="list"),
    path("suggestions/", mails.suggested, name="suggestions"),
    path("<int:mail_id>/", mail.detail, name="detail"),
    path("<int:mail_id>/preview/", mail.preview, name="preview"),
    path("<int:mail_id>/source/", mail.source, name="source"),
]
