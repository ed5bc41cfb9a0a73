"""The pages that export and import projects as zip files."""

import io
import zipfile
from dataclasses import replace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from templates_app.files.archives import pack, unpack
from templates_app.models import Document, Project, Version
from templates_app.transfer.project_transfer import export_projects
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import make_user
from tests.templates_app.files.test_archives import misnamed

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_editor():
    return signed_in(make_user("editor@example.com", "templates_app.edit_templates"))


@pytest.fixture
def mail():
    """The built-in project `mail`, its test mail with another English subject."""
    (project,) = export_projects(["mail"], history=True)
    test = next(one for one in project.documents if one.key == "test")
    english = replace(test.content.languages["en"], subject="Does it arrive?")
    content = replace(test.content, languages={**test.content.languages, "en": english})
    others = tuple(one for one in project.documents if one.key != "test")
    return replace(project, documents=(*others, replace(test, content=content)))


def upload(client, data, *, button="import", name="mail.zip", **fields):
    file = SimpleUploadedFile(name, data, content_type="application/zip")
    return client.post("/templates/import/", {"file": file, button: "1", **fields})


def newest() -> Version | None:
    return Version.objects.filter(document__key="test", document__project__key="mail").order_by("-number").first()


def test_a_project_is_downloaded_with_all_its_versions(as_editor):
    response = as_editor.get("/templates/mail/export/")
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"] == 'attachment; filename="mail.zip"'
    assert unpack(response.content) == export_projects(["mail"], history=True)
    assert "mail/templates/test/versions/1.json" in zipfile.ZipFile(io.BytesIO(response.content)).namelist()
    assert as_editor.get("/templates/nothing/export/").status_code == 404


def test_the_project_page_and_the_list_lead_there(as_editor):
    assert "/templates/mail/export/" in as_editor.get("/templates/mail/").content.decode()
    assert "/templates/import/" in as_editor.get("/templates/").content.decode()


def test_an_upload_becomes_versions_by_the_one_who_uploaded_it(as_editor, mail):
    response = upload(as_editor, pack([mail]), note="From staging")
    assert (response.status_code, response["Location"]) == (302, "/templates/mail/")
    assert (newest().number, newest().note, newest().author_name) == (2, "From staging", "editor@example.com")
    assert "Imported: 1 new or changed item." in as_editor.get("/templates/mail/").content.decode()


def test_an_upload_that_says_nothing_new_changes_nothing(as_editor):
    response = upload(as_editor, pack(export_projects(history=True)))
    assert (response.status_code, response["Location"]) == (302, "/templates/")
    assert "there are no differences" in as_editor.get("/templates/").content.decode()
    assert newest().number == 1


def test_a_check_shows_what_would_be_done_and_does_nothing(as_editor, mail):
    response = upload(as_editor, pack([mail]), button="check", name="<b>mail</b>.zip")
    text = response.content.decode()
    assert response.status_code == 200
    assert "template mail/test: a new version" in text
    assert "has no problems" in text
    assert "<b>mail" not in text
    assert newest().number == 1


def test_what_is_wrong_is_listed_by_file_and_line(as_editor, mail):
    test = mail.documents[-1]
    languages = {**test.content.languages, "en": replace(test.content.languages["en"], html="<p>\n{{ <b>nobody }}</p>")}
    broken = replace(mail, documents=(replace(test, content=replace(test.content, languages=languages)),))
    for button in ("import", "check"):
        response = upload(as_editor, pack([broken]), button=button)
        text = response.content.decode()
        assert response.status_code == 422
        assert "mail/templates/test/en.html" in text
        assert "line 2" in text
        assert "<b>nobody" not in text
    assert newest().number == 1


def test_what_is_no_zip_file_is_said(as_editor):
    for data in [b"PK\x03\x04" + bytes(99), b"<!DOCTYPE html>", b"\0"]:
        with case(data):
            response = upload(as_editor, data)
            assert response.status_code == 422
            text = response.content.decode()
            assert text.index("The zip file</span>") < text.index("<p>is ")  # the text continues where the name ends


def test_a_file_whose_name_is_not_utf_8_is_named(as_editor):
    text = upload(as_editor, misnamed(b"a\xffb")).content.decode()
    assert "shop/a\\xffb.md" in text
    assert "not valid UTF-8" in text


def test_a_missing_an_empty_and_a_huge_file_are_said_at_the_field(as_editor):
    assert as_editor.post("/templates/import/", {"import": "1"}).status_code == 422
    assert upload(as_editor, b"").status_code == 422
    response = upload(as_editor, bytes(20_000_001))
    assert response.status_code == 422
    assert "It is larger than 20 MB." in response.content.decode()
    assert upload(as_editor, pack(export_projects(["mail"], history=False)), note="x" * 501).status_code == 422


def test_a_new_project_with_a_hostile_name_is_shown_escaped(as_editor, mail):
    project = replace(mail, key="shop", name="<script>alert(1)</script>", documents=())
    assert upload(as_editor, pack([project])).status_code == 302
    assert "<script>alert(1)" not in as_editor.get("/templates/shop/").content.decode()
    assert Project.objects.get(key="shop").name == "<script>alert(1)</script>"
    assert not Document.objects.filter(project__key="shop").exists()
