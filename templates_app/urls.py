"""The pages of the templates, below /templates/."""

from django.urls import include, path, register_converter

from templates_app.views import (
    catalogue,
    documents,
    editor,
    editor_publishing,
    exchanging,
    history,
    making,
    publishing,
    samples,
    shared,
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
    path("", documents.document, name="document"),
    path("settings/", making.document_settings, name="settings"),
    path("deletion/", making.document_deletion, name="deletion"),
    path("frame/", documents.frame, name="frame"),
    path("versions/", history.versions, name="versions"),
    path("versions/<int:number>/", history.version, name="version"),
    path("versions/<int:number>/restoration/", history.restoration, name="restoration"),
    path("diff/", history.diff, name="diff"),
    path("reset/", history.reset, name="reset"),
    path("upgrade/", history.upgrade, name="upgrade"),
    path("publication/", publishing.publication, name="publication"),
    path("edit/", editor.edit, name="edit"),
    path("edit/publication/", editor_publishing.publication, name="edit_publication"),
    path("edit/sample/", editor_publishing.editor_sample, name="edit_sample"),
    path("draft/", editor.draft, name="draft"),
    path("draft/frame/", editor.frame, name="draft_frame"),
    path("draft/deletion/", publishing.draft_deletion, name="draft_deletion"),
    path("samples/", samples.samples, name="samples"),
    path("samples/new/", samples.sample_new, name="sample_new"),
    path("samples/<int:pk>/", samples.sample, name="sample"),
    path("samples/<int:pk>/deletion/", samples.sample_deletion, name="sample_deletion"),
]

app_name = "templates_app"
urlpatterns = [
    path("", catalogue.listing, name="list"),
    path("new/", making.new, name="new"),
    path("shared/", shared.shared, name="shared"),
    path("shared/<int:pk>/", shared.shared_value, name="shared_value"),
    path("shared/<int:pk>/deletion/", shared.shared_value_deletion, name="shared_value_deletion"),
    path("import/", exchanging.arrival, name="import"),
    path("<slug:project>/", catalogue.project, name="project"),
    path("<slug:project>/export/", exchanging.export, name="export"),
    path("<slug:project>/settings/", making.project_settings, name="project_settings"),
    path("<slug:project>/deletion/", making.project_deletion, name="project_deletion"),
    path("<slug:project>/<kind:kind>/<slug:key>/", include(document_patterns)),
]
