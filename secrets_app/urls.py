"""Pages of the vault, under /secrets/."""

from django.urls import path

from secrets_app.views import secret_form_pages, secret_list_pages, sharing_pages

app_name = "secrets_app"
urlpatterns = [
    path("", secret_list_pages.secret_list, name="list"),
    path("environment/", secret_list_pages.environment, name="environment"),
    path("audit/", secret_list_pages.audit_log, name="audit"),
    path("new/", secret_form_pages.new, name="new"),
    path("new/<slug:kind>/", secret_form_pages.new, name="new"),
    path("<int:pk>/", secret_form_pages.detail, name="detail"),
    path("<int:pk>/sharing/", sharing_pages.share, name="sharing"),
    path("<int:pk>/deletion/", secret_form_pages.delete, name="delete"),
]
