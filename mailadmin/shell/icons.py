"""The icons of the pages, each rendered once per process: lucide renders every use, a tenth of a page's time."""

from functools import lru_cache

from django import template
from lucide.templatetags.lucide import lucide

icon = lru_cache(maxsize=500)(lucide)

register = template.Library()
register.simple_tag(icon, name="lucide")
