"""Hypothesis strategies for every content and project that can be stored."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from templates_app.content.content import RESERVED, TYPES, Content, from_json
from templates_app.files.project_files import DocumentFiles, ProjectFiles, SharedFile, VersionFile

UNHURRIED = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)  # the machine may be busy
keys = st.from_regex(r"[a-z0-9_]{1,12}", fullmatch=True)
variable_names = st.from_regex(r"[a-z_][a-z0-9_]{0,12}", fullmatch=True).filter(lambda name: name not in RESERVED)
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
texts = st.text(characters, max_size=60)
lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
titles = lines.map(lambda text: " ".join(("A" + text).split())).filter(str.isprintable)
tags = st.lists(st.from_regex(r"[\w-]{1,9}", fullmatch=True), max_size=2, unique=True).map(tuple)
language_codes = st.sampled_from(["en", "de", "de-AT", "zh-Hant-TW", "es-419", "gsw"])
numbers = st.integers(-(10**9), 10**9) | st.integers(-(2**40), 2**40).map(lambda number: number / 4)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def contents(draw, *, kind="template") -> Content:
    fields = ["subject", "html", "text"] if kind == "template" else ["html", "text"]
    variables = [
        {
            "name": name,
            "type": draw(st.sampled_from(TYPES)),
            "sample": draw(json_values),
            "required": draw(st.booleans()),
        }
        for name in draw(st.lists(variable_names, unique=True, max_size=3))
    ]
    languages = draw(
        st.dictionaries(language_codes, st.fixed_dictionaries({}, optional=dict.fromkeys(fields, texts)), max_size=3)
    )
    return from_json(
        {
            "default_language": draw(language_codes),
            "variables": variables if kind == "template" else [],
            "languages": languages,
        }
    )


@st.composite
def histories(draw, *, kind="template") -> tuple[VersionFile, ...]:
    """A history whose newest version is published."""
    numbers = sorted(draw(st.sets(st.integers(1, 40), max_size=4)))
    versions, seen = [], []
    for number in numbers:
        versions.append(
            VersionFile(
                number=number,
                content=draw(contents(kind=kind)),
                note=draw(lines),
                author_name=draw(lines),
                created_at=draw(times) + timedelta(microseconds=number),
                is_builtin=draw(st.booleans()),
                is_published=number == numbers[-1],
                base=draw(st.none() | st.sampled_from(seen)) if seen else None,
            )
        )
        seen.append(number)
    return tuple(versions)


@st.composite
def documents(draw, kind: str, key: str, *, with_history: bool) -> DocumentFiles:
    history = draw(histories(kind=kind)) if with_history else ()
    samples = draw(st.dictionaries(titles, st.dictionaries(variable_names, json_values, max_size=3), max_size=2))
    return DocumentFiles(
        kind=kind,
        key=key,
        name=draw(titles),
        description=draw(lines),
        tags=draw(tags),
        content=history[-1].content if history else draw(contents(kind=kind)),
        samples=samples if kind == "template" else {},
        history=history,
    )


@st.composite
def projects(draw, *, with_history: bool = True, key=keys) -> ProjectFiles:
    places = draw(st.sets(st.tuples(st.sampled_from(["part", "template"]), keys), max_size=3))
    shared = st.builds(SharedFile, value=lines, description=lines)
    return ProjectFiles(
        key=draw(key),
        name=draw(titles),
        description=draw(lines),
        tags=draw(tags),
        shared=draw(st.dictionaries(variable_names, shared, max_size=2)),
        documents=tuple(draw(documents(kind, key, with_history=with_history)) for kind, key in sorted(places)),
    )
