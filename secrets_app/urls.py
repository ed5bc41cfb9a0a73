"""The vault's pages, below /secrets/."""

from django.urls import path

from secrets_app.views import keeping, listing, sharing

app_name = "secrets_app"
urlpatterns = [
    path("", listing.secret_list, name="list"),
    path("environment/", listing.environment, name="environment"),
    path("trail/", listing.trail, name="trail"),
    path("new/", keeping.new, name="new"),
    path("new/<slug:kind>/", keeping.new, name="new"),
    path("<int:pk>/", keeping.detail, name="detail"),
    path("<int:pk>/sharing/", sharing.share, name="sharing"),
    path("<int:pk>/deletion/", keeping.delete, name="delete"),
]
