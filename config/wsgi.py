"""The WSGI application that the web server runs."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

from mailadmin.configuration.variables import check_variables  # noqa: E402  (imports models: apps have to be ready)

check_variables()
get_resolver().url_patterns  # noqa: B018  (imports the views now, not at the first request)
# What is loaded by now stays, so the garbage collector need not scan it again and again: that took a seventh of the
# time of all pages, most of it in one page out of twenty. Reference counting frees almost all objects of a request.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 10, 10)
