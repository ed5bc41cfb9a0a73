"""`templates_export` and `templates_import`: files, output and exit codes."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from templates_app.builtin_files import BUILTIN
from templates_app.files.folders import read_folder
from templates_app.models import Document, Project, SharedValue, Version
from templates_app.rendering import render

pytestmark = pytest.mark.django_db


def run(*arguments):
    out = StringIO()
    call_command(*map(str, arguments), stdout=out, stderr=out)
    return out.getvalue()


def refused(*arguments):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return caught.value.returncode, str(caught.value)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def empty():
    Document.objects.update(published=None)
    Project.objects.all().delete()
    SharedValue.objects.all().delete()


def test_a_folder_comes_back_as_it_was_exported(tmp_path):
    assert run("templates_export", tmp_path / "a") == f"3 projects written to {tmp_path / 'a'}.\n"
    assert run("templates_import", tmp_path / "a").endswith("Nothing differs.\n")
    empty()
    printed = run("templates_import", tmp_path / "a")
    assert "+ template account/welcome\n" in printed
    assert printed.endswith("Imported.\n")
    run("templates_export", tmp_path / "b")
    assert files(tmp_path / "b") == files(tmp_path / "a")


def test_the_built_in_folder_is_what_an_export_of_untouched_templates_gives(tmp_path):
    run("templates_export", tmp_path)
    ours, shipped = read_folder(tmp_path), read_folder(BUILTIN)
    assert [replace(project, shared={}) for project in ours] == [replace(project, shared={}) for project in shipped]


def test_a_zip_file_contains_the_history(tmp_path):
    run("templates_export", "mail", tmp_path / "mail.zip")
    before = list(Version.objects.filter(document__project__key="mail").order_by("document__key").values_list("digest"))
    empty()
    assert run("templates_import", tmp_path / "mail.zip").endswith("Imported.\n")
    after = Version.objects.order_by("document__key")
    assert list(after.values_list("digest")) == before
    assert all(version.is_builtin for version in after)
    assert [path.name for path in tmp_path.iterdir()] == ["mail.zip"]


def test_an_edited_file_becomes_a_version_with_the_note(tmp_path):
    run("templates_export", "mail", tmp_path)
    subject = tmp_path / "mail/templates/test/en.subject"
    subject.write_text("Does it arrive?\n")
    assert "~ template mail/test: a new version\n" in run("templates_import", tmp_path / "mail", "--note", "By hand")
    version = Version.objects.get(document__key="test", number=2)
    assert (version.note, version.author_name) == ("By hand", "")


def test_a_check_prints_what_would_change_and_changes_nothing(tmp_path):
    run("templates_export", "mail", tmp_path)
    (tmp_path / "mail/templates/test/en.subject").write_text("Does it arrive?\n")
    printed = run("templates_import", tmp_path, "--check")
    assert "~ template mail/test: a new version\n" in printed
    assert printed.endswith("Nothing is wrong. Nothing was imported.\n")
    assert not Version.objects.filter(number=2).exists()


def test_faults_are_reported_by_file_and_line_and_nothing_is_imported(tmp_path):
    run("templates_export", tmp_path)
    (tmp_path / "mail/templates/test/en.subject").write_text("Does it arrive?\n")
    broken = tmp_path / "account/templates/welcome/template.json"
    broken.write_text(broken.read_text().replace('"tags": [', '"tags": [7], "x": ['))
    (tmp_path / "platform/templates/backup_status/en.htm").write_text("x")
    code, text = refused("templates_import", tmp_path)
    assert code == 1
    assert "account/templates/welcome/template.json, line 4: x: is unknown" in text
    assert "platform/templates/backup_status/en.htm: is not a file of a project" in text
    assert text.endswith("Nothing was imported.")
    assert not Version.objects.filter(number=2).exists()


def test_a_text_that_does_not_render_is_refused(tmp_path):
    run("templates_export", "account", tmp_path)
    (tmp_path / "account/templates/welcome/en.subject").write_text("{{ nobody }}\n")
    for check in ([], ["--check"]):
        code, text = refused("templates_import", tmp_path, *check)
        assert code == 1
        assert "account/templates/welcome/en.subject, line 1: " in text
    assert render("account/welcome", document_sample("welcome")).subject


def document_sample(key):
    return Document.objects.get(project__key="account", key=key).samples.first().values


def test_hostile_and_broken_archives_are_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04" + b"\0" * 100)
    code, text = refused("templates_import", tmp_path / "a.zip")
    assert (code, "The zip file: is cut off" in text) == (1, True)
    (tmp_path / "b.zip").write_bytes(bytes(20_000_001))
    assert "larger than 20 MB" in refused("templates_import", tmp_path / "b.zip")[1]


def test_wrong_use_exits_2(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.zip").mkdir()
    assert refused("templates_import", tmp_path / "nothing") == (2, f"There is no {tmp_path / 'nothing'}.")
    assert refused("templates_export", "nothing", "mail", tmp_path / "a") == (2, "There is no project nothing.")
    assert refused("templates_export", tmp_path / "file")[0] == 2
    assert refused("templates_export", tmp_path / "folder.zip")[0] == 2
    assert not (tmp_path / "a").exists()


def test_a_target_that_cannot_be_written_exits_1(tmp_path):
    (tmp_path / "file").write_text("x")
    code, text = refused("templates_export", tmp_path / "file/folder")
    assert (code, text.startswith("Cannot write: ")) == (1, True)
    assert refused("templates_export", tmp_path / "nowhere/a.zip")[0] == 1


def test_exporting_into_a_folder_updates_the_project_and_leaves_other_files_alone(tmp_path):
    run("templates_export", tmp_path)
    (tmp_path / "mail/templates/old").mkdir()
    (tmp_path / "mail/templates/old/en.txt").write_text("gone from the store")
    (tmp_path / "README.md").write_text("ours")
    (tmp_path / "account/templates/welcome/en.subject").write_text("edited")
    run("templates_export", "mail", tmp_path)
    assert not (tmp_path / "mail/templates/old").exists()
    assert (tmp_path / "README.md").exists()
    assert (tmp_path / "account/templates/welcome/en.subject").read_text() == "edited"
