"""Exporting and importing projects in a browser: refused, checked and imported."""

import pytest
from playwright.sync_api import expect

from templates_app.content.content import Content, Texts
from templates_app.files.archives import pack
from templates_app.files.project_files import DocumentFiles, ProjectFiles
from templates_app.library import builtin_seeding
from templates_app.models import Project
from templates_app.transfer.project_transfer import export_projects

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def zip_file(*, subject: str) -> bytes:
    content = Content({"en": Texts(subject=subject, text="Hello", html="<p>\nHello</p>")})
    long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
    documents = (
        DocumentFiles("template", "a" * 50, long, content=content),
        DocumentFiles("template", "welcome", "Welcome", content=content),
    )
    return pack([ProjectFiles("shop", "Shop", documents=documents)])


def choose(page, data: bytes) -> None:
    page.get_by_label("Zip file").set_input_files(
        files=[{"name": "shop.zip", "mimeType": "application/zip", "buffer": data}]
    )


def test_a_project_is_exported_checked_and_imported(visitor, admin):
    builtin_seeding.seed()
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go("/templates/")
    page.get_by_role("link", name="Import").click()
    visitor.look()

    choose(page, zip_file(subject="{{ nobody }}"))
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was imported: 2 problems were found.")
    expect(page.get_by_role("alert")).to_contain_text("shop/templates/welcome/en.subject")
    visitor.look()

    choose(page, zip_file(subject="Hello"))
    page.get_by_role("button", name="Check only").click()
    expect(page.get_by_text("shop.zip has no problems")).to_be_visible()
    expect(page.get_by_text("template shop/welcome")).to_be_visible()
    assert not Project.objects.filter(key="shop").exists()
    visitor.look()

    choose(page, zip_file(subject="Hello"))
    page.get_by_role("button", name="Import").click()
    page.wait_for_url("**/templates/shop/")
    expect(page.get_by_text("Imported: 3 new or changed items.")).to_be_visible()

    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    assert download.value.suggested_filename == "shop.zip"
    assert download.value.path().read_bytes() == pack(export_projects(["shop"], history=True))
