"""Projects survive being written to folders, and faults in them are reported by file and line."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from templates_app.content import json_text
from templates_app.content.content import Content, Texts, Variable
from templates_app.files.folders import (
    DocumentFiles,
    FilesError,
    ProjectFiles,
    SharedFile,
    read_folder,
    read_project,
    write_project,
)
from templates_app.files.project_files import files_of
from templates_app.files.reading import parse_project
from tests.cases import case
from tests.templates_app.files.project_strategies import UNHURRIED, json_values, projects

WELCOME = DocumentFiles(
    kind="template",
    key="welcome",
    name="Welcome",
    description="Sent once",
    tags=("account",),
    content=Content(
        languages={
            "de": Texts(subject="Hallo {{ name }}", html="<p>Grüß Gott</p>\n"),
            "en": Texts(subject="Hello {{ name }}", html="<p>Hello</p>\n", text="Hello\n"),
        },
        variables=(Variable(name="name", description="Of the person", sample="Ann"),),
    ),
    samples={"Ann": {"name": "Ann"}},
)
FOOTER = DocumentFiles(kind="part", key="footer", name="Footer", content=Content({"en": Texts(html="<p>Bye</p>")}))
SHOP = ProjectFiles(
    key="shop",
    name="Shop",
    tags=("sales",),
    shared={"brand_name": SharedFile("Shop", "Shown in every mail")},
    documents=(FOOTER, WELCOME),
)


def problems(folder: Path) -> list[str]:
    with pytest.raises(FilesError) as refused:
        read_folder(folder)
    return [str(problem) for problem in refused.value.problems]


@pytest.fixture
def shop(tmp_path) -> Path:
    write_project(tmp_path / "shop", SHOP)
    return tmp_path / "shop"


# ---------------------------------------------------------------- round trips


@given(projects())
@UNHURRIED
def test_every_project_reads_back_the_same(project):
    assert parse_project(project.key, files_of(project)) == project


@given(projects())
@settings(UNHURRIED, max_examples=25)
def test_every_project_survives_the_disk_and_writing_it_again_changes_nothing(project):
    with TemporaryDirectory() as name:
        folder = Path(name) / project.key
        write_project(folder, project)
        before = {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
        assert read_project(folder) == project
        write_project(folder, read_project(folder))
        assert before == {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


def test_files_are_readable_and_in_order(shop):
    assert sorted(path.relative_to(shop).as_posix() for path in shop.rglob("*") if path.is_file()) == [
        "parts/footer/en.html",
        "parts/footer/part.json",
        "project.json",
        "templates/welcome/de.html",
        "templates/welcome/de.subject",
        "templates/welcome/en.html",
        "templates/welcome/en.subject",
        "templates/welcome/en.txt",
        "templates/welcome/template.json",
    ]
    assert (shop / "templates/welcome/de.subject").read_bytes() == b"Hallo {{ name }}\n"
    assert (shop / "templates/welcome/de.html").read_bytes() == "<p>Grüß Gott</p>\n".encode()
    assert list(json.loads((shop / "templates/welcome/template.json").read_text())) == [
        "name",
        "description",
        "tags",
        "default_language",
        "variables",
        "samples",
    ]
    assert (shop / "project.json").read_text().startswith('{\n  "name": "Shop",\n  "description": "",\n')


def test_a_language_without_any_text_is_kept(tmp_path):
    empty = Content(languages={"de": Texts(), "en": Texts(text="Hello")})
    project = ProjectFiles("shop", "Shop", documents=(DocumentFiles("template", "a", "A", content=empty),))
    write_project(tmp_path / "shop", project)
    assert read_project(tmp_path / "shop") == project


def test_files_no_longer_in_the_project_are_removed_and_foreign_ones_stay(shop):
    (shop / "README.md").write_text("notes")
    (shop / "templates/welcome/.draft").write_text("mine")
    write_project(shop, ProjectFiles("shop", "Shop"))
    left = sorted(path.relative_to(shop).as_posix() for path in shop.rglob("*") if path.is_file())
    assert left == ["README.md", "project.json", "templates/welcome/.draft"]


def test_files_edited_on_windows_read_the_same(shop):
    for path in shop.rglob("*.*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_project(shop) == SHOP


def test_a_folder_of_projects_and_a_single_project_are_both_read(shop):
    (shop.parent / "docs").mkdir()
    write_project(shop.parent / "blog", ProjectFiles("blog", "Blog"))
    assert [project.key for project in read_folder(shop.parent)] == ["blog", "shop"]
    assert read_folder(shop) == [SHOP]


def test_a_shared_value_may_be_given_as_text_alone(shop):
    (shop / "project.json").write_text('{"name": "Shop", "shared": {"brand_name": "Shop"}}')
    assert read_project(shop).shared == {"brand_name": SharedFile("Shop")}


# ---------------------------------------------------------------- what is wrong


FAULTS = [
    ("project.json", '{\n  "name": "Shop",\n}', "line 3: is not JSON"),
    ("project.json", '{"name": ""}', "line 1: name: must not be empty"),
    ("project.json", '{\n"name": "a",\n"colour": 1}', "line 3: colour: is unknown"),
    ("project.json", '{\n"name": "a",\n"name": "b"}', "line 3: the key name is given twice"),
    ("project.json", '{"name": "a",\n\n"tags": ["x",\n7]}', "line 4: tags.1: must be a word"),
    ("project.json", '{"name": "a", "shared": {"Bad Name": "x"}}', "must be lowercase letters"),
    ("project.json", '{"name": "a\\u0000"}', "contains a character that cannot be stored"),
    ("project.json", '{"name": "a\\ud800"}', "contains a character that cannot be stored"),
    ("project.json", '{"name": "a\\u0007"}', "name: contains a control character"),
    ("project.json", '\ufeff{"name": "a"}', "byte order mark"),
    ("project.json", "[" * 100_000, "nested too deeply"),
    ("project.json", '{"name": ' + "[" * 60 + "]" * 60 + "}", "nested too deeply"),
    ("project.json", '{"name": NaN}', "number that cannot be stored"),
    ("project.json", '{"name": ' + "9" * 5000 + "}", "number that cannot be stored"),
    ("project.json", '{"name": 1e999}', "too large"),
    ("templates/welcome/template.json", "[]", "line 1: must be an object"),
    (
        "templates/welcome/template.json",
        '{"name": "a",\n"variables": [\n{"name": "b"},\n{"name":\n"B"}]}',
        "line 5: variables.1.name: must be lowercase letters",
    ),
    (
        "templates/welcome/template.json",
        '{"name": "a", "variables": [{"name": "b"},\n{"name": "b"}]}',
        "line 2: variables.1.name: b is declared twice",
    ),
    ("templates/welcome/template.json", '{"name": "a",\n"samples": {"x": 3}}', "line 2: samples.x: must be an"),
    ("templates/welcome/template.json", '{"name": "a",\n"samples": {" x": {}}}', "line 2: samples. x: a sample's"),
    ("templates/welcome/template.json", '{"name": "a", "default_language": "german"}', "not a language code"),
    ("templates/welcome/en.html", "a\nb\x00", "line 2: contains a character"),
    ("templates/welcome/en.html", "x" * 200_001, "longer than 200,000"),
    ("templates/welcome/EN.html", "x", "is not a file of a project"),
    ("templates/welcome/en.htm", "x", "is not a file of a project"),
    ("templates/Welcome/en.html", "x", "is not a file of a project"),
    ("templates/other/en.html", "x", "shop/templates/other/template.json: is missing"),
    ("templates/welcome/part.json", "{}", "does not belong to a template"),
    ("parts/footer/en.subject", "x", "does not belong to a part"),
    ("parts/footer/part.json", '{"name": "a", "variables": []}', "variables: is unknown"),
    ("templates/welcome/versions/0.json", "{}", "is not a file of a project"),
    ("templates/welcome/versions/1.json", '{"created_at":\n"soon"}', "line 2: created_at: must be a time"),
    ("templates/welcome/versions/1.json", '{"created_at": "2026-01-01T00:00:00"}', "UTC offset"),
    (
        "templates/welcome/versions/1.json",
        '{"created_at": "2026-01-01T00:00:00Z",\n"content": {\n"languages": {"xx-1": {}}}}',
        "line 3: content.languages.xx-1: is not a language code",
    ),
    (
        "templates/welcome/versions/1.json",
        '{"created_at": "2026-01-01T00:00:00Z", "base": 9}',
        "base: there is no other version 9",
    ),
]


def test_a_fault_is_named_by_file_and_line(tmp_path):
    for number, (file, text, said) in enumerate(FAULTS):
        with case(said):
            shop = tmp_path / str(number) / "shop"
            write_project(shop, SHOP)
            path = shop / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            found = problems(shop.parent)
            assert len(found) == 1
            assert said in found[0]
            assert found[0].startswith("shop/templates/other" if "other" in file else f"shop/{file}")


def test_all_faults_are_named_at_once(shop):
    (shop / "project.json").unlink()
    (shop / "parts/footer/part.json").write_text("{")
    (shop / "templates/welcome/en.html").write_bytes(b"fine\n\xff\n")
    assert problems(shop.parent) == [
        "shop/project.json: is missing",
        "shop/parts/footer/part.json, line 1: is not JSON: Expecting property name enclosed in double quotes, column 2",
        "shop/templates/welcome/en.html, line 2: is not UTF-8",
    ]


def test_a_link_is_not_followed_in_either_direction(shop, tmp_path):
    outside = tmp_path / "outside.html"
    outside.write_text("keep me")
    (shop / "parts/footer/en.html").unlink()
    (shop / "parts/footer/en.html").symlink_to(outside)
    assert problems(shop.parent) == ["shop/parts/footer/en.html: is a link; links are not followed"]
    with pytest.raises(OSError, match="is a link"):
        write_project(shop, SHOP)
    assert outside.read_text() == "keep me"


def test_a_folder_without_projects_and_a_missing_folder_are_reported(tmp_path):
    assert "contains no project" in problems(tmp_path)[0]
    assert "is not a folder" in problems(tmp_path / "nothing")[0]
    (tmp_path / "My Shop").mkdir()
    (tmp_path / "My Shop/project.json").write_text('{"name": "a"}')
    assert "lowercase letters" in problems(tmp_path)[0]


# ---------------------------------------------------------------- JSON


@given(json_values)
@UNHURRIED
def test_json_reads_back_the_same(value):
    assert json_text.loads(json_text.dumps(value)) == value


def test_the_line_of_a_value_in_json_is_found():
    text = '{"a": [1,\n {"b": "}{",\n "c": [\n2, 3]}],\n"d": 4}'
    assert json_text.line_of(text, ["a", 1, "c", 1]) == 4
    assert json_text.line_of(text, ["a", "1", "c"]) == 3
    assert json_text.line_of(text, ["d"]) == 5
    assert json_text.line_of(text, ["a", 1, "missing"]) == 2
    assert json_text.line_of(text, []) == 1
