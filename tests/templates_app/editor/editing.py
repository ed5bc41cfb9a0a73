"""Form data of the editor page, as a browser sends it."""

from django.urls import reverse

from templates_app.content import value_text
from templates_app.content.content import Texts
from templates_app.models import Draft


def path(document, name="edit"):
    return reverse(f"templates_app:{name}", args=[document.project.key, document.kind, document.key])


def typed(document, user, language="en", **fields):
    """Return the form data of the page that `user` sees, with some fields replaced."""
    draft = Draft.objects.filter(document=document, user=user).first()
    content = (draft or document.published).read()
    texts = content.languages.get(language, Texts())
    began = draft.based_on if draft else document.published
    data = {
        "language": language,
        "revision": draft.revision if draft else 0,
        "based_on": began.number if began else 0,
        "subject": texts.subject,
        "html": texts.html,
        "text": texts.text,
        **variable_rows(content.variables),
    }
    return data | fields


def variable_rows(variables, *more):
    """Return the form data of the declared variables and of `more` rows, given as dictionaries."""
    rows = [
        {
            "name": one.name,
            "type": one.type,
            "description": one.description,
            "sample": value_text.format_value(one.type, one.sample),
            **({"required": "on"} if one.required else {}),
        }
        for one in variables
    ]
    data = {"variables-TOTAL_FORMS": len(rows) + len(more), "variables-INITIAL_FORMS": len(rows)}
    for number, row in enumerate([*rows, *more]):
        data |= {f"variables-{number}-{name}": value for name, value in row.items()}
    return data


def values(document, json="", shown="{}", sample="", **fields):
    """Return the form data of a sample's values, as JSON and as fields."""
    return {
        "sample": sample,
        "sample_shown": sample,
        "values_json": json,
        "values_shown": shown,
        **{f"value-{name}": value for name, value in fields.items()},
    }
