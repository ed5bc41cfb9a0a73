"""What import-linter and the other tools of ``make check`` cannot see."""

import ast
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.config.starting import BASE_DIR

APPS = ("config", "users", "mailadmin", "secrets_app", "templates_app", "maillog", "prepared")
LEAVES = {"secrets_app", "templates_app", "maillog"}
MODULES = [path for app in APPS for path in sorted((BASE_DIR / app).rglob("*.py")) if "migrations" not in path.parts]
# Pages alone: mails have inline styles, because many mail programs read no others.
TEMPLATES = sorted(
    path for app in APPS for path in (BASE_DIR / app).rglob("templates/**/*.html") if "builtin" not in path.parts
)


def name(path: Path) -> str:
    return str(path.relative_to(BASE_DIR))


def names_used(path: Path) -> set[str]:
    """Return every name, attribute and imported name in a module."""
    used = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            used.add(node.id)
        elif isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            used |= {alias.name for alias in node.names}
    return used


def imported(path: Path) -> set[str]:
    """Return the whole names of the modules and things that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_a_password_is_revealed_in_one_place_alone():
    elsewhere = {name(path) for path in MODULES if path.parts[-2] != "secrets_app" and "reveal" in names_used(path)}
    assert elsewhere == {"mailadmin/connections/selection.py"}


def test_connections_are_made_by_the_delivery_and_the_diagnosis_alone():
    """Whoever gets a server gets its password, so few may ask for one."""
    asking = {name(path) for path in MODULES if names_used(path) & {"server_for", "server_for_unsaved"}}
    assert asking <= {
        "mailadmin/connections/circuit_breaker.py",
        "mailadmin/connections/selection.py",
        "mailadmin/diagnosis/connection_check.py",
        "mailadmin/connections/routing.py",
    }


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_apps_reach_the_leaves_through_their_doors(path):
    """The log is written by its own door; nobody above reads the vault's or the log's tables for writing."""
    app = path.relative_to(BASE_DIR).parts[0]
    for found in imported(path):
        target, _, rest = found.partition(".")
        if target in LEAVES - {app} and app in LEAVES:
            pytest.fail(f"{name(path)} imports {found}: the leaves do not know one another")
        if target == "secrets_app" and app != target:
            assert rest.split(".")[0] in {"vault", "checking", "kinds", "targets", "redaction", "urls"}, (
                f"{name(path)}: {found}"
            )


class Inline(HTMLParser):
    """Collects what a strict Content-Security-Policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        values = {key: value or "" for key, value in attrs}
        self.found += [key for key in values if key == "style" or re.fullmatch(r"on[a-z]+|hx-on.*|hx-vars", key)]
        self.found += [f"{key}=javascript:" for key, value in values.items() if value.strip().startswith("javascript:")]
        if tag == "style" or (tag == "script" and "src" not in values and "json" not in values.get("type", "")):
            self.found.append(f"<{tag}>")


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_templates_hold_no_inline_style_or_script(path):
    page = re.sub(r"{#.*?#}|{% comment.*?endcomment %}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    inline = Inline()
    inline.feed(re.sub(r"{%.*?%}|{{.*?}}", "", page, flags=re.DOTALL))
    assert not inline.found, f"{name(path)}: {inline.found}"


def test_no_file_holds_a_path_of_a_machine_or_the_address_of_a_registry():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=BASE_DIR, capture_output=True, check=False).stdout.decode()
    paths = [BASE_DIR / line for line in listed.split("\0") if line]
    if not paths:
        pytest.skip("this copy is not a git repository")
    machine = re.compile(r"(/home/\w|/Users/\w|/root/|/opt/\w|file:///|--(extra-)?index-url|--find-links)")
    allowed = {Path(__file__).resolve()}
    guilty = []
    for path in paths:
        if path in allowed or not path.is_file() or path.suffix in {".png", ".ico", ".woff2"}:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if machine.search(line):
                guilty.append(f"{name(path)}:{number}: {line.strip()[:80]}")
    assert not guilty, "\n".join(guilty)


def pins(list_name: str) -> dict[str, str]:
    text = (BASE_DIR / "requirements" / list_name).read_text(encoding="utf-8")
    assert "http" not in text
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)
    hashed = re.findall(r"^([\w.-]+)==([^\s;]+).*\\\n    --hash=sha256:", text, re.MULTILINE)
    assert found == hashed
    return dict(found)


def test_each_list_of_pins_contains_the_one_before_it():
    """The Makefile relies on it: what is installed for the tests serves `make run` as well."""
    run, test, check = (pins(f"{word}.txt").items() for word in ("run", "test", "check"))
    assert run <= test <= check
    assert pins("uv.txt").keys() == {"uv"}
