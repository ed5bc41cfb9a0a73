"""The pages of the other project, mail below /mail/."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("mail/", include("mailadmin.site"))]
