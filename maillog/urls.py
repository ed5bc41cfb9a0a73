"""The log's pages, below /log/."""

from django.urls import path

from maillog.views import columns, export, live, mail, mails, removal, retention, searches, trail

app_name = "maillog"
urlpatterns = [
    path("", mails.listing, name="list"),
    path("suggestions/", mails.suggested, name="suggestions"),
    path("live/", live.live, name="live"),
    path("columns/", columns.choose, name="columns"),
    path("searches/", searches.searches, name="searches"),
    path("searches/<int:pk>/", searches.rename, name="search_rename"),
    path("searches/<int:pk>/deletion/", searches.delete, name="search_delete"),
    path("export.csv", export.export, {"form": "csv"}, name="export_csv"),
    path("export.jsonl", export.export, {"form": "jsonl"}, name="export_jsonl"),
    path("retention/", retention.overview, name="retention"),
    path("retention/rules/", retention.edit, name="retention_rules"),
    path("trail/", trail.listing, name="trail"),
    path("<int:mail_id>/deletion/", removal.deletion, name="delete"),
    path("<int:mail_id>/", mail.detail, name="detail"),
    path("<int:mail_id>/preview/", mail.preview, name="preview"),
    path("<int:mail_id>/source/", mail.source, name="source"),
]
