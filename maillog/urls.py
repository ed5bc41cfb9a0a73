"""The log's pages, below /log/."""

from django.urls import path

from maillog.views import (
    audit_pages,
    column_choice,
    deletion_page,
    export_downloads,
    live_updates,
    message_list,
    message_page,
    retention_pages,
    saved_search_pages,
)

app_name = "maillog"
urlpatterns = [
    path("", message_list.listing, name="list"),
    path("suggestions/", message_list.suggest, name="suggestions"),
    path("live/", live_updates.live, name="live"),
    path("columns/", column_choice.choose, name="columns"),
    path("searches/", saved_search_pages.searches, name="searches"),
    path("searches/<int:pk>/", saved_search_pages.rename, name="search_rename"),
    path("searches/<int:pk>/deletion/", saved_search_pages.delete, name="search_delete"),
    path("export.csv", export_downloads.export, {"form": "csv"}, name="export_csv"),
    path("export.jsonl", export_downloads.export, {"form": "jsonl"}, name="export_jsonl"),
    path("retention/", retention_pages.overview, name="retention"),
    path("retention/rules/", retention_pages.edit, name="retention_rules"),
    path("audit/", audit_pages.listing, name="audit"),
    path("<int:mail_id>/deletion/", deletion_page.delete, name="delete"),
    path("<int:mail_id>/", message_page.detail, name="detail"),
    path("<int:mail_id>/preview/", message_page.preview, name="preview"),
    path("<int:mail_id>/source/", message_page.source, name="source"),
]
