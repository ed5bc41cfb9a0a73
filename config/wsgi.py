"""The WSGI application that the web server runs."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
get_resolver().url_patterns  # noqa: B018  (loads the pages, which the first visitor would wait for)
# What is loaded by now stays, so the collector of cycles need not look through it again and again: it took a seventh of
# the time of pages, most of it in one page of twenty. A page's own objects are gone with it, nearly all without it.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 10, 10)
