"""The pages of the templates, below /templates/."""

from django.urls import include, path, register_converter

from templates_app.views import (
    catalogue_pages,
    creation_pages,
    document_pages,
    editor_pages,
    editor_publishing,
    publishing_pages,
    sample_pages,
    shared_value_pages,
    transfer_pages,
    version_pages,
)


class KindConverter:
    """What a document is, in an address."""

    regex = "template|part"

    def to_python(self, value: str) -> str:
        """Return it as it is stored."""
        return value

    def to_url(self, value: str) -> str:
        """Return it as it is written."""
        return value


register_converter(KindConverter, "kind")

document_patterns = [
    path("", document_pages.document, name="document"),
    path("settings/", creation_pages.document_settings, name="settings"),
    path("deletion/", creation_pages.document_deletion, name="deletion"),
    path("frame/", document_pages.frame, name="frame"),
    path("versions/", version_pages.versions, name="versions"),
    path("versions/<int:number>/", version_pages.version, name="version"),
    path("versions/<int:number>/restoration/", version_pages.restoration, name="restoration"),
    path("diff/", version_pages.diff, name="diff"),
    path("reset/", version_pages.reset, name="reset"),
    path("upgrade/", version_pages.upgrade, name="upgrade"),
    path("publication/", publishing_pages.publication, name="publication"),
    path("edit/", editor_pages.edit, name="edit"),
    path("edit/publication/", editor_publishing.publication, name="edit_publication"),
    path("edit/sample/", editor_publishing.editor_sample, name="edit_sample"),
    path("draft/", editor_pages.draft, name="draft"),
    path("draft/frame/", editor_pages.frame, name="draft_frame"),
    path("draft/deletion/", publishing_pages.draft_deletion, name="draft_deletion"),
    path("samples/", sample_pages.samples, name="samples"),
    path("samples/new/", sample_pages.sample_new, name="sample_new"),
    path("samples/<int:pk>/", sample_pages.sample, name="sample"),
    path("samples/<int:pk>/deletion/", sample_pages.sample_deletion, name="sample_deletion"),
]

app_name = "templates_app"
urlpatterns = [
    path("", catalogue_pages.listing, name="list"),
    path("new/", creation_pages.new, name="new"),
    path("shared/", shared_value_pages.shared, name="shared"),
    path("shared/<int:pk>/", shared_value_pages.shared_value, name="shared_value"),
    path("shared/<int:pk>/deletion/", shared_value_pages.shared_value_deletion, name="shared_value_deletion"),
    path("import/", transfer_pages.import_archive, name="import"),
    path("<slug:project>/", catalogue_pages.project, name="project"),
    path("<slug:project>/export/", transfer_pages.export, name="export"),
    path("<slug:project>/settings/", creation_pages.project_settings, name="project_settings"),
    path("<slug:project>/deletion/", creation_pages.project_deletion, name="project_deletion"),
    path("<slug:project>/<kind:kind>/<slug:key>/", include(document_patterns)),
]
