"""Explains in a sentence for people what is wrong with a template, and on which line. Without Django."""

from __future__ import annotations

import re
from dataclasses import dataclass

import jinja2
from jinja2.exceptions import SecurityError


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a template or part (``project/key``).

    `part` is ``subject``, ``html``, ``text`` or ``values``. `line` counts from 1; 0 means all of it. `message` is a
    sentence for people.
    """

    template: str
    part: str
    line: int
    message: str

    def __str__(self) -> str:
        """Return ``account/welcome, html, line 3: ...``."""
        where = [self.template, self.part if self.part != "values" else "", f"line {self.line}" if self.line else ""]
        return f"{', '.join(filter(None, where))}: {self.message}"


class TemplateError(ValueError):
    """A template cannot be rendered with these values; `problems`, at least one, say where and why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

    @property
    def is_about_values(self) -> bool:
        """Whether only the values are wrong, not the template."""
        return all(problem.part == "values" for problem in self.problems)


class UnknownTemplateError(TemplateError):
    """There is no published template with this key."""


def explain(error: BaseException, template: str, part: str) -> Problem:
    """Return the problem behind an error that compiling or rendering raised."""
    places = locations_of(error)
    name, line = places[-1] if places else (template, 0)
    words = message_for(error)
    if name != template:
        if part == "subject":
            part = "text"  # parts have no subject; their plain text is used in one
        users = [line for user, line in places if user == template]
        if users:
            words = f"{words} (used in {template}, line {users[-1]})"
    return Problem(template=name, part=part, line=line, message=words)


def locations_of(error: BaseException) -> list[tuple[str, int]]:
    """Return the templates and parts that the traceback passes through, with their lines, the innermost last."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            places.append((template.name or "", template.get_corresponding_lineno(trace.tb_lineno)))
        trace = trace.tb_next
    if isinstance(error, jinja2.TemplateSyntaxError) and error.name:
        places.append((error.name, error.lineno))
    return places


def message_for(error: BaseException) -> str:
    if isinstance(error, jinja2.TemplateSyntaxError):
        return syntax_message(error)
    if isinstance(error, jinja2.TemplateNotFound):
        return error.message or "A part that is used here does not exist."
    if isinstance(error, SecurityError):
        return f"Templates may not do this: {original_message(error)}"
    if isinstance(error, jinja2.UndefinedError):
        return undefined_message(error.message or "")
    if isinstance(error, RecursionError):
        return "Something here uses itself endlessly, or is nested too deeply."
    if isinstance(error, MemoryError):
        return "This needs too much memory."
    if isinstance(error, ZeroDivisionError):
        return "This divides by zero."
    if isinstance(error, OSError | ImportError | LookupError) and not isinstance(error, KeyError | IndexError):
        return "This needs something that templates may not use."  # the original message may name files of the server
    if isinstance(error, jinja2.TemplateRuntimeError):
        return with_full_stop(str(error)[:1].upper() + str(error)[1:300])
    if isinstance(error, OverflowError | NameError) or str(error).startswith("Exceeds the limit"):
        return "A number or a range here is too large."  # Jinja compiles 1e999 to inf, which is no Python name
    if isinstance(error, SyntaxError):
        return "Too many loops or conditions are nested."  # valid for Jinja, not for Python
    return f"This does not work: {original_message(error)}"


def original_message(error: BaseException) -> str:
    """Return the error's own message, shortened, as the end of a sentence."""
    words = " ".join(str(error).split())[:300]
    return with_full_stop(words or type(error).__name__)


def with_full_stop(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."


SYNTAX_MESSAGES = (
    (r"Encountered unknown tag '(.+?)'\..*", r"There is no tag {% \1 %}."),
    (r"Unexpected end of template\..* needs to be closed is '(\w+)'\.", r"{% \1 %} is not closed: its end is missing."),
    (r"Unexpected end of template, expected 'end of .+'\.?", "The closing braces are missing."),
    (r"No filter named '(.+?)'\.?.*", r"There is no filter named \1."),
    (r"No test named '(.+?)'\.?.*", r"There is no test named \1."),
    (r"expected token 'end of print statement', got '(.+?)'", r"“}}” is missing, or “\1” does not belong here."),
    (r"expected token 'end of statement block', got '(.+?)'", r"“%}” is missing, or “\1” does not belong here."),
    (r"expected token '(.+?)', got '(.+?)'", r"“\1” was expected here, not “\2”."),
    (r"unexpected '(.+?)'", r"“\1” does not belong here."),
    (r"unexpected char '(.+?)' at \d+", r"“\1” does not belong here."),
    (r"Expected an expression, got 'end of .+'", "Something is missing between the braces."),
    (r"Missing end of comment tag", "A comment is not closed: “#}” is missing."),
    (r"block '(.+?)' defined twice", r"The block \1 is defined twice."),
)  # fmt: skip


def syntax_message(error: jinja2.TemplateSyntaxError) -> str:
    """Return Jinja's message about a syntax error, in plainer words where it is in SYNTAX_MESSAGES."""
    message = " ".join((error.message or "").split())
    for pattern, words in SYNTAX_MESSAGES:
        if match := re.fullmatch(pattern, message, re.IGNORECASE):
            return match.expand(words)
    return with_full_stop(message[:1].upper() + message[1:300])


def undefined_message(message: str) -> str:
    if match := re.fullmatch(r"'(.+?)' is undefined", message):
        return f"“{match[1]}” is not known here: declare it as a variable, or correct the name."
    if match := re.fullmatch(r"'(.+?)' has no attribute '(.+?)'", message):
        thing = "This value" if match[1].endswith((" object", "None")) else f"“{match[1]}”"
        return f"{thing} has nothing named “{match[2]}”."
    if match := re.fullmatch(r"the template '(.+?)' .* does not export the requested name '(.+?)'", message):
        return f"The part {match[1]} has nothing named “{match[2]}”."
    return with_full_stop(message[:300])
