"""Asks the log as the search box does, for tests."""

from django.http import QueryDict

from maillog.search.filters import MessageFilter
from maillog.search.results import SearchResult


def search(query: str) -> SearchResult:
    """Return what `query` in the search box finds."""
    filters = MessageFilter(_typed(query))
    assert filters.is_valid(), filters.form.errors
    return filters.result


def subjects(query: str) -> list[str]:
    """Return the subjects of what `query` finds, newest first; the same by every way there is."""
    found = [mail.subject for mail in search(query).page(1000)]
    assert found == [mail.subject for mail in search(query).oldest(1000)][::-1]
    assert found == [mail.subject for mail in search(query).queryset().order_by("-id")]
    return found


def problem(query: str) -> str:
    """Return what is said to be wrong with `query`."""
    return str(MessageFilter(_typed(query)).problem)


def _typed(query: str) -> QueryDict:
    data = QueryDict(mutable=True)
    data["q"] = query
    return data
