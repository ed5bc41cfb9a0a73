"""What the mail app adds to the log, below /log/: sending again, many mails at once, all about one address."""

from django.urls import path

from mailadmin.views import bulk, person, resending, suppressions

app_name = "maillog_actions"
urlpatterns = [
    path("<int:mail_id>/resending/", resending.resend, name="resend"),
    path("actions/", bulk.listing, name="bulk_list"),
    path("actions/new/", bulk.new, name="bulk_new"),
    path("actions/<int:pk>/", bulk.progress, name="bulk"),
    path("actions/<int:pk>/stop/", bulk.stop, name="bulk_stop"),
    path("people/", person.person, name="person"),
    path("people/search/", person.search, name="person_search"),
    path("suppressions/", suppressions.listing, name="suppressions"),
    path("suppressions/new/", suppressions.new, name="suppress"),
    path("suppressions/<int:pk>/removal/", suppressions.removal, name="suppression_removal"),
]
