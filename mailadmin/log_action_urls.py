"""The mail app's pages below /log/: resending, bulk actions, recipients, suppressions."""

from django.urls import path

from mailadmin.views import bulk_pages, recipient_pages, resend_pages, suppression_pages

app_name = "maillog_actions"
urlpatterns = [
    path("<int:mail_id>/resending/", resend_pages.resend, name="resend"),
    path("actions/", bulk_pages.listing, name="bulk_list"),
    path("actions/new/", bulk_pages.new, name="bulk_new"),
    path("actions/<int:pk>/", bulk_pages.progress, name="bulk"),
    path("actions/<int:pk>/stop/", bulk_pages.stop, name="bulk_stop"),
    path("recipients/", recipient_pages.detail, name="recipient"),
    path("recipients/search/", recipient_pages.search, name="recipient_search"),
    path("suppressions/", suppression_pages.listing, name="suppressions"),
    path("suppressions/new/", suppression_pages.new, name="suppress"),
    path("suppressions/<int:pk>/removal/", suppression_pages.removal, name="suppression_removal"),
]
