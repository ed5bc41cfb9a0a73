"""Every change to the values that templates are tried with (samples) and to those that all of them share.

Values are checked for their form only. Whether a template renders with them is said where it is tried and decided when
it is published: a sample may be written before the text that it is for.
"""

from __future__ import annotations

import json
import re
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from templates_app.compiled_cache import change_number, record_change
from templates_app.content.content import RESERVED, VARIABLE_NAME
from templates_app.library.catalogue import EditConflict, Invalid, Protected, checked_line
from templates_app.library.publishing import Gone, LibraryError
from templates_app.models import Document, Sample, SharedValue, Version

MAX_VALUES = 100_000  # characters of JSON
MAX_DEPTH = 20
UNSTORABLE = re.compile(
    r"(?<!\\)(?:\\\\)*\\u0000|[\ud800-\udfff]"
)  # NUL, which JSON writes so, and halves of characters
REQUIRED_SHARED_VALUES = frozenset({"brand_name", "brand_address", "brand_color"})  # the built-in layout uses them


# ---------------------------------------------------------------- samples


def create_sample(document: Document, *, name: str, values: object) -> Sample:
    """Return a new sample. Raises Invalid, also if there is one of this name; Gone if the template was deleted."""
    try:
        with transaction.atomic():
            return Sample.objects.create(document=document, name=checked_name(name), values=checked_values(values))
    except IntegrityError as error:
        if not Document.objects.filter(pk=document.pk).exists():
            raise Gone from error
        raise Invalid("name", _("There is a sample of this name.")) from error


def change_sample(sample: Sample, was: dict[str, Any], *, name: str, values: object) -> None:
    """Write a sample anew if it still `was` so (``{"name", "values"}``). Raises Invalid, ChangedMeanwhile.

    One that came with the program is the editors' own from then on.
    """
    wanted: dict[str, Any] = {"name": checked_name(name), "values": checked_values(values)}
    try:
        with transaction.atomic():
            stored = Sample.objects.select_for_update().filter(pk=sample.pk).first()
            if stored is None:
                raise LibraryError(_("This sample was deleted meanwhile."))
            now = {"name": stored.name, "values": stored.values}
            if now not in (was, wanted):
                raise EditConflict(now)
            if now != wanted:
                Sample.objects.filter(pk=sample.pk).update(**wanted, is_builtin=False)
    except IntegrityError as error:
        raise Invalid("name", _("There is a sample of this name.")) from error
    sample.name, sample.values = wanted["name"], wanted["values"]


def delete_sample(sample: Sample) -> None:
    """Delete a sample. Raises Protected for one that came with the program."""
    if sample.is_builtin:
        raise Protected(_("This sample came with the program. It can be edited, but not deleted."))
    sample.delete()


def checked_name(name: str) -> str:
    """Return the name of a sample, spaces made single. Raises Invalid."""
    if not (name := checked_line(name, "name", 100)):
        raise Invalid("name", _("Give it a name."))
    return name


def parse_values(text: str) -> dict[str, Any]:
    """Return the values that a person typed as JSON. Raises Invalid naming line and column."""
    try:
        found = json.loads(text, parse_constant=_reject_constant)
    except json.JSONDecodeError as error:
        place = _("Line %(line)s, column %(column)s") % {"line": error.lineno, "column": error.colno}
        raise Invalid("values", f"{place}: {error.msg}.") from error
    except (ValueError, RecursionError) as error:
        raise Invalid("values", _("This cannot be read as JSON.")) from error
    return checked_values(found)


def _reject_constant(name: str) -> float:
    raise ValueError(name)  # NaN and Infinity are not JSON


def checked_values(values: object) -> dict[str, Any]:
    """Return `values` if they are a JSON object of at most 100,000 characters. Raises Invalid."""
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise Invalid("values", _('Write an object: {"name": value, ...}.'))
    if _depth(values) > MAX_DEPTH:
        raise Invalid("values", _("Lists and objects may lie at most %s deep within one another.") % MAX_DEPTH)
    try:
        text = json.dumps(values, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise Invalid("values", _("Only text, numbers, true, false, null, lists and objects can be values.")) from error
    if len(text) > MAX_VALUES:
        raise Invalid("values", _("At most %s characters.") % f"{MAX_VALUES:,}")
    if UNSTORABLE.search(text):
        raise Invalid("values", _("It contains a character that cannot be stored."))
    return values


def _depth(values: object) -> int:
    """Return how deep lists and objects lie within one another, without recursion; no further than `DEEPEST`."""
    level, depth = [values], 0
    while level and depth <= MAX_DEPTH:
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        depth += 1
    return depth


# ---------------------------------------------------------------- shared values


def create_shared_value(*, name: str, value: str, description: str = "") -> SharedValue:
    """Return a new value that every template can use. Raises Invalid."""
    if not VARIABLE_NAME.fullmatch(name):
        raise Invalid("name", _("Use small letters, digits and _, not beginning with a digit, at most 50."))
    if name in RESERVED or name == "base_url":
        raise Invalid("name", _("“%s” has a meaning of its own in templates.") % name)
    try:
        with transaction.atomic():
            made = SharedValue.objects.create(
                name=name,
                value=checked_line(value, "value", 500),
                description=checked_line(description, "description", 200),
            )
            record_change()
    except IntegrityError as error:
        raise Invalid("name", _("There is a shared value of this name.")) from error
    return made


def change_shared_value(shared: SharedValue, was: str, value: str) -> None:
    """Write a shared value anew if it still `was` so. Raises Invalid, ChangedMeanwhile."""
    wanted = checked_line(value, "value", 500)
    with transaction.atomic():
        stored = SharedValue.objects.select_for_update().filter(pk=shared.pk).first()
        if stored is None:
            raise LibraryError(_("This value was deleted meanwhile."))
        if stored.value not in (was, wanted):
            raise EditConflict({"value": stored.value})
        if stored.value != wanted:
            SharedValue.objects.filter(pk=shared.pk).update(value=wanted)
            record_change()
    shared.value = wanted


def delete_shared_value(shared: SharedValue) -> None:
    """Delete a shared value. Raises Protected if the built-in layout needs it, KeepingError if a text names it."""
    if shared.name in REQUIRED_SHARED_VALUES:
        raise Protected(_("The built-in layout uses this value. It can be changed, but not deleted."))
    with transaction.atomic():
        change_number(lock=True)  # or a text that names it could be published between the look and the deletion
        if _is_used(shared.name):
            raise LibraryError(_("A published text uses “%s”. Take it out there first.") % shared.name)
        shared.delete()
        record_change()


def _is_used(name: str) -> bool:
    """Return whether a published text has the word in it, be it as a variable or not."""
    word = re.compile(rf"\b{name}\b")
    published = Version.objects.filter(pk__in=Document.objects.filter(published__isnull=False).values("published"))
    return any(
        word.search(text)
        for content in published.values_list("content", flat=True).iterator(chunk_size=50)
        for texts in content["languages"].values()
        for text in texts.values()
    )
