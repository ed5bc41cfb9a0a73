"""The icons of the pages, each drawn once a process: lucide draws them anew for each use, a tenth of a page's time."""

from functools import lru_cache

from django import template
from lucide.templatetags.lucide import lucide

register = template.Library()
register.simple_tag(lru_cache(maxsize=500)(lucide), name="lucide")
