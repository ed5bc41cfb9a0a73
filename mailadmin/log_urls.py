"""What is done with mails of the log by means of the mail app, below /log/: sending again, and many mails at once."""

from django.urls import path

from mailadmin.views import bulk, resending

app_name = "maillog_actions"
urlpatterns = [
    path("<int:mail_id>/resending/", resending.resend, name="resend"),
    path("actions/", bulk.listing, name="bulk_list"),
    path("actions/new/", bulk.new, name="bulk_new"),
    path("actions/<int:pk>/", bulk.progress, name="bulk"),
    path("actions/<int:pk>/stop/", bulk.stop, name="bulk_stop"),
]
