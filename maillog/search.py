"""The door through which the log is read in lists: filters, pages, counts, the figures of the overview, the queue."""

from maillog.queue.waiting import (
    SHOWN,
    QueuePage,
    Waiting,
    connection_names,
    held_by_connection,
    queue_page,
    waiting,
    waiting_counts,
)
from maillog.search.counts import Count, made_from, newest_id, status_counts, unfinished
from maillog.search.filters import MailFilter
from maillog.search.paging import Page, page_of
from maillog.search.query import QueryError
from maillog.search.results import Found
from maillog.search.suggestions import suggestions

__all__ = [
    "SHOWN",
    "Count",
    "Found",
    "MailFilter",
    "Page",
    "QueryError",
    "QueuePage",
    "Waiting",
    "connection_names",
    "held_by_connection",
    "made_from",
    "newest_id",
    "page_of",
    "queue_page",
    "status_counts",
    "suggestions",
    "unfinished",
    "waiting",
    "waiting_counts",
]
