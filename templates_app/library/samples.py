"""Creates, changes and deletes samples, which templates are rendered with for checks, and shared values.

Only the form of values is checked here. Whether a template renders with them is checked when it is published: a sample
may be written before the text that it is for.
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
# NUL, as JSON writes it, and lone surrogates: PostgreSQL stores neither.
UNSTORABLE = re.compile(r"(?<!\\)(?:\\\\)*\\u0000|[\ud800-\udfff]")
REQUIRED_SHARED_VALUES = frozenset({"brand_name", "brand_address", "brand_color"})  # the built-in layout uses them


# ---------------------------------------------------------------- samples


def create_sample(document: Document, *, name: str, values: object) -> Sample:
    """Create a sample. Raises Invalid, also if the name is taken, and Gone if the template was deleted."""
    try:
        with transaction.atomic():
            return Sample.objects.create(document=document, name=checked_name(name), values=checked_values(values))
    except IntegrityError as error:
        if not Document.objects.filter(pk=document.pk).exists():
            raise Gone from error
        raise Invalid("name", _("There is already a sample with this name.")) from error


def change_sample(sample: Sample, original: dict[str, Any], *, name: str, values: object) -> None:
    """Change a sample if the stored one is still `original` (``{"name", "values"}``). Raises Invalid, EditConflict.

    A built-in sample belongs to the editors from then on.
    """
    wanted: dict[str, Any] = {"name": checked_name(name), "values": checked_values(values)}
    try:
        with transaction.atomic():
            stored = Sample.objects.select_for_update().filter(pk=sample.pk).first()
            if stored is None:
                raise LibraryError(_("This sample has been deleted in the meantime."))
            now = {"name": stored.name, "values": stored.values}
            if now not in (original, wanted):
                raise EditConflict(now)
            if now != wanted:
                Sample.objects.filter(pk=sample.pk).update(**wanted, is_builtin=False)
    except IntegrityError as error:
        raise Invalid("name", _("There is already a sample with this name.")) from error
    sample.name, sample.values = wanted["name"], wanted["values"]


def delete_sample(sample: Sample) -> None:
    """Delete a sample. Raises Protected for a built-in one."""
    if sample.is_builtin:
        raise Protected(_("This sample is built in. It can be edited, but not deleted."))
    sample.delete()


def checked_name(name: str) -> str:
    """Return the name of a sample with whitespace collapsed. Raises Invalid."""
    if not (name := checked_line(name, "name", 100)):
        raise Invalid("name", _("Enter a name."))
    return name


def parse_values(text: str) -> dict[str, Any]:
    """Return the values in a JSON text. Raises Invalid, with line and column."""
    try:
        found = json.loads(text, parse_constant=_reject_constant)
    except json.JSONDecodeError as error:
        place = _("Line %(line)s, column %(column)s") % {"line": error.lineno, "column": error.colno}
        raise Invalid("values", f"{place}: {error.msg}.") from error
    except (ValueError, RecursionError) as error:
        raise Invalid("values", _("This is not valid JSON.")) from error
    return checked_values(found)


def _reject_constant(name: str) -> float:
    raise ValueError(name)  # NaN and Infinity are not JSON


def checked_values(values: object) -> dict[str, Any]:
    """Return `values` if they are a JSON object of at most 100,000 characters. Raises Invalid."""
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise Invalid("values", _('Enter an object: {"name": value, ...}.'))
    if _depth(values) > MAX_DEPTH:
        raise Invalid("values", _("Lists and objects can be nested at most %s levels deep.") % MAX_DEPTH)
    try:
        text = json.dumps(values, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise Invalid("values", _("Values can only be text, numbers, true, false, null, lists and objects.")) from error
    if len(text) > MAX_VALUES:
        raise Invalid("values", _("At most %s characters.") % f"{MAX_VALUES:,}")
    if UNSTORABLE.search(text):
        raise Invalid("values", _("This contains a character that cannot be stored."))
    return values


def _depth(values: object) -> int:
    """Return how deep lists and objects are nested, without recursion; at most `MAX_DEPTH` + 1."""
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
    """Create a value that every template can use. Raises Invalid."""
    if not VARIABLE_NAME.fullmatch(name):
        raise Invalid(
            "name", _("Use lowercase letters, digits and _, at most 50 characters, and do not start with a digit.")
        )
    if name in RESERVED or name == "base_url":
        raise Invalid("name", _("“%s” is reserved in templates.") % name)
    try:
        with transaction.atomic():
            made = SharedValue.objects.create(
                name=name,
                value=checked_line(value, "value", 500),
                description=checked_line(description, "description", 200),
            )
            record_change()
    except IntegrityError as error:
        raise Invalid("name", _("There is already a shared value with this name.")) from error
    return made


def change_shared_value(shared: SharedValue, original: str, value: str) -> None:
    """Change a shared value if the stored one is still `original`. Raises Invalid, EditConflict."""
    wanted = checked_line(value, "value", 500)
    with transaction.atomic():
        stored = SharedValue.objects.select_for_update().filter(pk=shared.pk).first()
        if stored is None:
            raise LibraryError(_("This value has been deleted in the meantime."))
        if stored.value not in (original, wanted):
            raise EditConflict({"value": stored.value})
        if stored.value != wanted:
            SharedValue.objects.filter(pk=shared.pk).update(value=wanted)
            record_change()
    shared.value = wanted


def delete_shared_value(shared: SharedValue) -> None:
    """Delete a shared value. Raises Protected if the built-in layout needs it, LibraryError if published texts do."""
    if shared.name in REQUIRED_SHARED_VALUES:
        raise Protected(_("The built-in layout uses this value. It can be changed, but not deleted."))
    with transaction.atomic():
        change_number(lock=True)  # or a text that uses it could be published between check and deletion
        if _is_used(shared.name):
            raise LibraryError(_("A published text uses “%s”. Remove it there first.") % shared.name)
        shared.delete()
        record_change()


def _is_used(name: str) -> bool:
    """Return whether a published text contains the word, as a variable or not."""
    word = re.compile(rf"\b{name}\b")
    published = Version.objects.filter(pk__in=Document.objects.filter(published__isnull=False).values("published"))
    return any(
        word.search(text)
        for content in published.values_list("content", flat=True).iterator(chunk_size=50)
        for texts in content["languages"].values()
        for text in texts.values()
    )
