"""Says in a plain sentence what is wrong with a template, and in which line of which one. Pure, without Django."""

from __future__ import annotations

import re
from dataclasses import dataclass

import jinja2
from jinja2.exceptions import SecurityError


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong: in the subject, HTML or plain text of a template or part (``project/key``), or with the values.

    `line` counts from 1; 0 means the whole. `message` is a plain sentence.
    """

    template: str
    part: str
    line: int
    message: str

    def __str__(self) -> str:
        """Return one line: ``account/welcome, html, line 3: ...``."""
        where = [self.template, self.part if self.part != "values" else "", f"line {self.line}" if self.line else ""]
        return f"{', '.join(filter(None, where))}: {self.message}"


class TemplateError(ValueError):
    """A template cannot be rendered with these values; `problems` says where and why, at least one."""

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
    """Return the templates and parts that were at work and their lines, the innermost last."""
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
    """Return what is wrong, in plain words."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return syntax_message(error)
    if isinstance(error, jinja2.TemplateNotFound):
        return error.message or "A part that is used here does not exist."
    if isinstance(error, SecurityError):
        return f"Templates may not do this: {original_message(error)}"
    if isinstance(error, jinja2.UndefinedError):
        return undefined_message(error.message or "")
    if isinstance(error, RecursionError):
        return "Something here uses itself without end, or is nested too deeply."
    if isinstance(error, MemoryError):
        return "This needs too much memory."
    if isinstance(error, ZeroDivisionError):
        return "This divides by zero."
    if isinstance(error, OSError | ImportError | LookupError) and not isinstance(error, KeyError | IndexError):
        return "This needs something that templates may not use."  # files: their names are nobody's business
    if isinstance(error, jinja2.TemplateRuntimeError):
        return with_full_stop(str(error)[:1].upper() + str(error)[1:300])
    if isinstance(error, OverflowError | NameError) or str(error).startswith("Exceeds the limit"):
        return "A number or a range here is too large."  # infinity is a name that Python does not know
    if isinstance(error, SyntaxError):
        return "Too many loops or conditions are inside one another."  # Jinja took it, Python does not
    return f"This does not work: {original_message(error)}"


def original_message(error: BaseException) -> str:
    """Return the error's own words, cut short, as the end of a sentence."""
    words = " ".join(str(error).split())[:300]
    return with_full_stop(words or type(error).__name__)


def with_full_stop(words: str) -> str:
    """Return `words` with a full stop."""
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
    """Return Jinja's words about a template that cannot be read, in plainer ones where they are known."""
    message = " ".join((error.message or "").split())
    for pattern, words in SYNTAX_MESSAGES:
        if match := re.fullmatch(pattern, message, re.IGNORECASE):
            return match.expand(words)
    return with_full_stop(message[:1].upper() + message[1:300])


def undefined_message(message: str) -> str:
    """Return what is not known, in plain words."""
    if match := re.fullmatch(r"'(.+?)' is undefined", message):
        return f"“{match[1]}” is not known here: declare it as a variable, or correct the name."
    if match := re.fullmatch(r"'(.+?)' has no attribute '(.+?)'", message):
        thing = "This value" if match[1].endswith((" object", "None")) else f"“{match[1]}”"
        return f"{thing} has nothing named “{match[2]}”."
    if match := re.fullmatch(r"the template '(.+?)' .* does not export the requested name '(.+?)'", message):
        return f"The part {match[1]} has nothing named “{match[2]}”."
    return with_full_stop(message[:300])
