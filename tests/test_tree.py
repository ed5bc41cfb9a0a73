"""What the linters of ``make check`` cannot see: how the tree is furnished, and what no file may hold."""

import collections
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.config.starting import BASE_DIR

APPS = ("config", "users", "mailadmin", "secrets_app", "templates_app", "maillog")
MODULES = [path for app in APPS for path in sorted((BASE_DIR / app).rglob("*.py")) if "migrations" not in path.parts]
# Pages alone: messages have inline styles, because many mail programs read no others.
TEMPLATES = sorted(
    path for app in APPS for path in (BASE_DIR / app).rglob("templates/**/*.html") if "builtin" not in path.parts
)
# Django looks for modules of these names, or its readers do.
DJANGOS_NAMES = {
    *("__init__", "admin", "apps", "backends", "base", "checks", "forms", "middleware", "models", "settings", "tasks"),
    *("tests", "urls", "views"),
}
# A file or folder in a document, with a test of it: `tests/test_tree.py::test_a_name_means_one_module`
NAMED = re.compile(
    r"`((?:config|users|mailadmin|secrets_app|templates_app|maillog|tests|benchmarks|docs)/[\w./-]*)(?:::(\w+))?`"
)
LONGEST_FILE = 300  # lines: what can be read in one sitting
MOST_MODULES = 16  # of a folder


def name(path: Path) -> str:
    return str(path.relative_to(BASE_DIR))


def test_every_file_can_be_read_in_one_sitting():
    long = {name(path): path.read_text(encoding="utf-8").count("\n") for path in MODULES}
    assert not {file: lines for file, lines in long.items() if lines > LONGEST_FILE}


def test_no_folder_is_crowded():
    rooms = collections.Counter(name(path.parent) for path in MODULES if path.stem != "__init__")
    assert not {room: modules for room, modules in rooms.items() if modules > MOST_MODULES}


def test_a_name_means_one_module():
    found = collections.defaultdict(list)
    for path in MODULES:
        if path.stem not in DJANGOS_NAMES and path.parent.name != "commands":
            found[path.stem].append(name(path))
    assert not {stem: paths for stem, paths in found.items() if len(paths) > 1}


def test_no_module_of_the_product_looks_like_a_test():
    assert not [name(path) for path in MODULES if path.stem.startswith("test_")]


def test_every_file_and_test_that_the_documents_name_exists():
    absent = []
    for document in [BASE_DIR / "README.md", *sorted((BASE_DIR / "docs").rglob("*.md"))]:
        for named in re.findall(
            r"`((?:config|users|mailadmin|secrets_app|templates_app|maillog|tests|benchmarks|docs)/[\w./-]*)(?:::(\w+))?`",
            document.read_text(encoding="utf-8"),
        ):
            path, test = BASE_DIR / named[0], named[1]
            if not path.exists() or (test and f"def {test}(" not in path.read_text(encoding="utf-8")):
                absent.append(f"{name(document)}: {'::'.join(filter(None, named))}")
    assert not absent, "\n".join(absent)


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


def test_templates_hold_no_inline_style_or_script():
    guilty = {}
    for path in TEMPLATES:
        page = re.sub(r"{#.*?#}|{% comment.*?endcomment %}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        inline = Inline()
        inline.feed(re.sub(r"{%.*?%}|{{.*?}}", "", page, flags=re.DOTALL))
        if inline.found:
            guilty[name(path)] = inline.found
    assert not guilty


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
