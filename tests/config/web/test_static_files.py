import os

import pytest

from config.startup import serve


@pytest.fixture
def sources(settings, tmp_path):
    """A folder with one static file, built into another folder as in production."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "page.css").write_text("p { color: red }")
    settings.STATICFILES_DIRS = [folder]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "built"
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    return folder


def built(settings) -> dict[str, int]:
    """Return the built files and when each was written, in nanoseconds."""
    return {path.name: path.stat().st_mtime_ns for path in settings.STATIC_ROOT.iterdir()}


def test_static_files_are_hashed_and_compressed(sources, settings):
    serve.build_static_files()
    names = set(built(settings))
    assert "staticfiles.json" in names
    assert sum(name.startswith("page.") and name.endswith((".css", ".css.br", ".css.gz")) for name in names) >= 2


def test_a_second_start_builds_nothing(sources, settings):
    serve.build_static_files()
    first = built(settings)
    serve.build_static_files()
    assert built(settings) == first


@pytest.mark.parametrize("change", ["content", "new file", "removed file", "emptied folder"])
def test_any_change_builds_anew_and_leaves_nothing_stale(sources, settings, change):
    (sources / "other.css").write_text("b { color: blue }")
    serve.build_static_files()
    before = built(settings)
    if change == "content":
        (sources / "page.css").write_text("p { color: tan }")  # of the same length
        os.utime(sources / "page.css", ns=(1, 1))
    elif change == "new file":
        (sources / "new.css").write_text("i { color: green }")
    elif change == "removed file":
        (sources / "other.css").unlink()
    else:
        (settings.STATIC_ROOT / ".built-from").unlink()
    serve.build_static_files()
    after = built(settings)
    assert after["staticfiles.json"] != before["staticfiles.json"]
    assert ("other.css" in after) is (change != "removed file")
    assert ("new.css" in after) is (change == "new file")
