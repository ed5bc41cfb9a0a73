"""The queries of the benchmark, and the target times of their pages."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any
from urllib.parse import urlencode

DEEP = 1_000  # pages
PAGE = 50  # messages

# Milliseconds of the whole page, 95th percentile, with 1, 5 and 10 million messages.
LIST, WORDS, PAIR, OVERVIEW = "list", "words", "pair", "overview"
TARGETS = {
    LIST: {"sqlite": (25, 25, 30), "postgres": (25, 25, 30)},
    WORDS: {"sqlite": (25, 50, 80), "postgres": (40, 50, 80)},
    PAIR: {"sqlite": (50, 100, 150), "postgres": (50, 100, 150)},
    OVERVIEW: {"sqlite": (20, 20, 20), "postgres": (20, 20, 20)},
}
# Target ratios to the time of django-post_office's page.
RATIOS = {
    LIST: {"sqlite": (4, 4, 4), "postgres": (4, 4, 4)},
    "deep": {"sqlite": (80, 80, 80), "postgres": (80, 80, 80)},
    WORDS: {"sqlite": (100, 100, 100), "postgres": (20, 100, 100)},
}


@dataclass(frozen=True, slots=True)
class Place:
    """The ids, days and values of the generated log that the queries use."""

    deep: int  # page 1,000 starts after this message
    end: int  # the last page starts after this message
    pages: int
    deep_page: int
    recipient: str  # a rare one
    order: str  # a rare word of a subject
    failed: int  # the id of a message
    number: int
    day_from: str
    day_to: str


@dataclass(frozen=True, slots=True)
class Look:
    """A page, its targets, and the query for the same in the peer (None: not possible)."""

    name: str
    address: str
    kind: str
    peer: dict[str, Any] | None = None
    ratio: str = ""  # the name of its target among `RATIOS`
    may_be_empty: bool = False
    ten: bool = False  # one of the queries whose plans are shown


def asked(query: str) -> str:
    return f"/log/?{urlencode({'q': query})}"


def looks(place: Place) -> list[Look]:
    """Return all pages except the pairs."""
    part = place.recipient.partition("@")[0]
    at_last = {"p": place.pages}
    return [
        Look("first page", "/log/", LIST, {}, LIST, ten=True),
        Look(f"page {place.deep_page:,}", f"/log/?before={place.deep}", LIST, {"p": place.deep_page}, "deep", ten=True),
        Look("last page", f"/log/?before={place.end}", LIST, at_last, "deep", ten=True),
        *(
            Look(name, asked(query), LIST, {"status__exact": 1} if name == "failed" else None, LIST, ten=query in TEN)
            for name, query in single(place).items()
        ),
        Look("rare recipient", asked(place.recipient), WORDS, {"q": place.recipient}, WORDS, ten=True),
        Look("part of an address", asked(f"{part}@"), WORDS, {"q": f"{part}@"}, WORDS, ten=True),
        Look("name in an address", asked(f"{part.partition('.')[2]}@"), WORDS),
        Look("domain, begun", asked("example.c"), WORDS, {"q": "example.c"}),
        Look("rare subject word", asked(place.order), WORDS, {"q": place.order}, WORDS, ten=True),
        Look("common word", asked("invoice"), WORDS, {"q": "invoice"}, ten=True),
        Look("word that is nowhere", asked("zeppelin"), WORDS, {"q": "zeppelin"}, WORDS, may_be_empty=True),
        Look("error phrase", asked('"no such user"'), WORDS, ten=True),
        Look("three: word, state, connection", asked('invoice status:failed connection:"Relay B"'), PAIR, ten=True),
        Look("word, a state without mails", asked("invoice status:cancelled"), PAIR, may_be_empty=True),
        Look("two negated words, a name", asked("-invoice -parcel to:garcia"), PAIR),
        Look("a word of every message, negated", asked("-northwind"), PAIR, may_be_empty=True),
        Look("detail", f"/log/{place.failed}/", LIST),
        Look("overview", "/", OVERVIEW),
    ]


TEN = ("status:failed",)


def single(place: Place) -> dict[str, str]:
    """Return one query per filter."""
    return {
        "failed": "status:failed",
        "sent": "status:sent",
        "four states": "status:queued,sending,deferred,held",
        "two states": "status:failed,logged",
        "template": "template:billing/invoice",
        "driver": "driver:smtp",
        "driver, rare": "driver:log",
        "connection": 'connection:"Relay B"',
        "days, long ago": f"after:{place.day_from} before:{place.day_to}",
        "to": "to:garcia",
        "from": "from:hello@northwind.example",
        "subject": "subject:parcel",
        "error": "error:mailbox",
        "actor": "actor:mona",
        "by nobody in person": "actor:system",
        "tag": "tag:bulk",
        "number": f"id:{place.number}",
        "test": "is:test",
        "sensitive": "is:sensitive",
        "attachment": "has:attachment",
        "not sent": "-status:sent",
    }


NO_PAIRS = (  # which contradict or contain each other
    {"failed", "waiting", "two states"},
    {"driver", "driver, rare"},
    {"driver, rare", "negated"},
)


def pairs(place: Place) -> dict[str, str]:
    """Return every combination of two filters, or of a filter and a word."""
    chosen = single(place)
    names = ["failed", "template", "driver", "connection", "days, long ago", "to", "error", "actor", "tag"]
    parts = {name: chosen[name] for name in names}
    parts |= {"driver, rare": "driver:log", "waiting": "status:queued", "two states": "status:failed,logged"}
    parts |= {"attachment": "has:attachment", "common word": "invoice"}
    parts |= {"rare word": place.order.partition(" ")[2], "negated": "-driver:log"}
    return {
        f"{one} + {other}": f"{parts[one]} {parts[other]}"
        for one, other in combinations(parts, 2)
        if not any({one, other} <= same for same in NO_PAIRS)
    }


def target(kind: str, engine: str, rows: int, table: dict[str, dict[str, tuple[int, int, int]]]) -> int:
    """Return the target of `kind` with that many messages."""
    return table[kind][engine][0 if rows <= 1_000_000 else 1 if rows <= 5_000_000 else 2]
