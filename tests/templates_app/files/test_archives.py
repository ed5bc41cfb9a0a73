"""Projects survive packing and unpacking; hostile zip files are refused before anything is unpacked."""

import functools
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templates_app.files import archives
from templates_app.files.archives import pack, unpack
from templates_app.files.project_files import FilesError, ProjectFiles
from tests.cases import case
from tests.templates_app.files.project_strategies import UNHURRIED, projects

SHOP = ProjectFiles("shop", "Shop")
PROJECT = b'{"name": "Shop"}'


def zipped(*entries, compression=zipfile.ZIP_DEFLATED, **changes) -> bytes:
    """Return a zip file of a valid project and the entries: (name, data) or (name, data, mode)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("shop/project.json", PROJECT)
        for name, data, *mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.filename = name  # unchanged; ZipInfo would clean it up
            entry.compress_type = compression
            entry.create_system = 3
            if mode:
                entry.external_attr = mode[0] << 16
            for attribute, value in changes.items():
                setattr(entry, attribute, value)
            archive.writestr(entry, data)
    return buffer.getvalue()


def renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    """Replace a name in both headers with another of the same length."""
    assert len(old) == len(new)
    assert data.count(old) == 2
    return data.replace(old, new)


def flagged(flag: int) -> bytes:
    """Return an archive whose last entry has `flag` set in both headers."""
    data = bytearray(zipped(("shop/a.md", b"x")))
    struct.pack_into("<H", data, data.rindex(b"PK\x01\x02") + 8, flag)
    struct.pack_into("<H", data, data.rindex(b"PK\x03\x04") + 6, flag)
    return bytes(data)


def misnamed(name: bytes) -> bytes:
    """Return an archive with a file ``shop/NAME.md``, NAME being three bytes that are marked as UTF-8."""
    data = bytearray(renamed(zipped(("shop/aXb.md", b"")), b"aXb", name))
    struct.pack_into("<H", data, data.rindex(b"PK\x01\x02") + 8, 0x800)
    struct.pack_into("<H", data, data.rindex(b"PK\x03\x04") + 6, 0x800)
    return bytes(data)


def renamed_in_extra_field(name: str, other: str) -> bytes:
    """Return an archive with a file whose Info-ZIP Unicode path, APPNOTE.TXT 4.6.9, differs from its name."""
    fields = struct.pack("<BL", 1, zlib.crc32(name.encode())) + other.encode()
    return zipped((name, b""), extra=struct.pack("<HH", 0x7075, len(fields)) + fields)


def patched(where: bytes, offset: int, form: str, value: int) -> bytes:
    """Return an archive of two files with a number changed `offset` bytes after the last `where`."""
    data = bytearray(zipped(("shop/en.txt", b"x" * 50)))
    struct.pack_into(form, data, data.rindex(where) + offset, value)
    return bytes(data)


def overlapping() -> bytes:
    """Return an archive whose second entry points to the bytes of the first."""
    data = bytearray(zipped(("shop/a.md", b"x")))
    struct.pack_into("<L", data, data.rindex(b"PK\x01\x02") + 42, 0)
    return bytes(data)


def inside_another() -> bytes:
    """Return an archive whose second entry begins in the middle of the first one's data."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("shop/b.md", b"inner")
    local = inner.getvalue()[: inner.getvalue().index(b"PK\x01\x02")]
    data = bytearray(zipped(("shop/a.md", local), ("shop/b.md", b"inner"), compression=zipfile.ZIP_STORED))
    struct.pack_into("<L", data, data.rindex(b"PK\x01\x02") + 42, data.index(local))
    return bytes(data)


def lying_about_its_size() -> bytes:
    """Return an archive of 5 MB that claims to contain 10 bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(b" " * 5_000_000) + packer.flush()
    data = bytearray(zipped(("shop/en.txt", bomb), compression=zipfile.ZIP_STORED))
    for header, method, size in ((b"PK\x01\x02", 10, 24), (b"PK\x03\x04", 8, 22)):
        at = data.rindex(header)
        struct.pack_into("<H", data, at + method, 8)
        struct.pack_into("<L", data, at + size, 10)
    return bytes(data)


@functools.cache
def many(count: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number in range(count):
            archive.writestr(f"shop/{number}.md", b"")
    return buffer.getvalue()


LINK = stat.S_IFLNK | 0o777
HOSTILE: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    "a name that climbs up": (zipped(("../evil.md", b"")), "leads outside"),
    "a name that climbs up inside": (zipped(("shop/../../evil.md", b"")), "leads outside"),
    "a name with a dot": (zipped(("shop/./evil.md", b"")), "leads outside"),
    "a name with an empty part": (zipped(("shop//evil.md", b"")), "leads outside"),
    "an absolute name": (zipped(("/etc/passwd", b"")), "absolute name"),
    "a drive letter": (zipped(("C:/evil.md", b"")), "backslash or a colon"),
    "a backslash": (zipped(("shop\\..\\evil.md", b"")), "backslash or a colon"),
    "an alternate stream": (zipped(("shop/a.md:evil", b"")), "backslash or a colon"),
    "a symbolic link": (zipped(("shop/a.md", b"/etc/passwd", LINK)), "is a link or a device"),
    "a symbolic link as folder": (zipped(("shop/templates/", b"", LINK)), "is a link or a device"),
    "a device": (zipped(("shop/a.md", b"", stat.S_IFCHR | 0o666)), "is a link or a device"),
    "a pipe": (zipped(("shop/a.md", b"", stat.S_IFIFO)), "is a link or a device"),
    "a folder with the name of a file": (zipped(("shop/a.md", b"", stat.S_IFDIR)), "is a link or a device"),
    "a NUL in a name": (renamed(zipped(("shop/aXb.md", b"")), b"aXb", b"a\0b"), "characters other than"),
    "a name in an older encoding": (
        renamed(zipped(("shop/aXb.md", b"")), b"aXb", b"a\x94b"),
        "shop/aöb.md: has a name",
    ),
    "a name that is not UTF-8": (misnamed(b"a\xffb"), "shop/a\\xffb.md: has a name that is marked as UTF-8"),
    "a name cut off within a character": (misnamed("aö".encode()[:2] + b"b"), "shop/a\\xc3b.md: has a name that is"),
    "a name beyond ASCII": (zipped(("shop/größe.md", b"")), "shop/größe.md: has a name with characters other"),
    "a name that changes its direction": (zipped(("shop/\u202ea.md", b"")), "shop/\\u202ea.md: has a name"),
    "a second name in an extra field": (
        renamed_in_extra_field("shop/evil.exe", "shop/a.md"),
        "shop/evil.exe: is not a",
    ),
    "a line break in a name": (zipped(("shop/a\nb.md", b"")), "characters other than"),
    "an endless name": (zipped(("shop/" + "a" * 300, b"")), "longer than 200"),
    "no name": (zipped(("", b"")), "leads outside"),
    "a file twice": (
        renamed(zipped(("shop/a.md", b"1"), ("shop/X.md", b"2")), b"shop/X.md", b"shop/a.md"),
        "occurs twice",
    ),
    "a file in both cases": (zipped(("shop/a.md", b"1"), ("shop/A.md", b"2")), "occurs twice"),
    "a project in both cases": (zipped(("Shop/project.json", b"1")), "occurs twice"),
    "a file that is a folder": (zipped(("shop/a.md", b"1"), ("shop/a.md/b.md", b"2")), "both a file and a folder"),
    "a zip file in it": (zipped(("shop/inner.zip", zipped())), "is an archive itself"),
    "an archive in it": (zipped(("shop/inner.TAR.GZ", b"")), "is an archive itself"),
    "an encrypted file": (flagged(0x1), "is encrypted"),
    "a strongly encrypted file": (flagged(0x41), "is encrypted"),
    "a bomb": (zipped(("shop/en.txt", b" " * 7_900_000)), "200 times its size"),
    "a huge file": (zipped(("shop/en.txt", b" " * 8_000_001)), "is larger than 8,000,000"),
    "a folder with content": (zipped(("shop/templates/", b"hidden", stat.S_IFDIR)), "is larger than"),
    "another compression": (zipped(("shop/a.md", b"x"), compression=zipfile.ZIP_LZMA), "not supported"),
    "overlapping files": (overlapping(), "overlaps another"),
    "a file inside another": (inside_another(), "overlaps another"),
    "a false size": (lying_about_its_size(), "is damaged"),
    "two names for one file": (
        zipped(("shop/aXb.md", b"x"))[::-1].replace(b"bXa", b"bYa", 1)[::-1],
        "is described differently",
    ),
    "a wrong checksum": (patched(b"PK\x01\x02", 16, "<L", 7), "is damaged"),
    "an offset beyond the end": (patched(b"PK\x01\x02", 42, "<L", 10**9), "overlaps another"),
    "a size beyond the end": (patched(b"PK\x01\x02", 20, "<L", 10**6), "is described differently"),
    "a count that is too small": (patched(b"PK\x05\x06", 8, "<L", 0x00010001), "different number of files"),
    "100,000 files": (lambda: many(100_000), "more than 20,000 files"),
    "20,001 files": (lambda: many(20_001), "more than 20,000 files"),
    "several disks": (patched(b"PK\x05\x06", 4, "<H", 1), "one part of several"),
    "something before it": (b"PK\x03\x04evil" + zipped(), "before or after"),
    "something after it": (zipped() + b"evil", "before or after"),
    "a program before it": (b"#!/bin/sh\n" + zipped(), "is not a zip file"),
    "another kind of file": (b"\x1f\x8b\x08\x00" + b"\0" * 50, "is not a zip file"),
    "a web page": (b"<!DOCTYPE html>", "is not a zip file"),
    "nothing": (b"", "is not a zip file"),
    "only the beginning": (b"PK\x03\x04", "is cut off"),
    "half a file": (zipped(("shop/a.md", b"x"))[:-30], "is cut off"),
    "no entries": (b"PK\x05\x06" + bytes(18), "contains no project"),
    "a file beside the projects": (zipped(("evil.txt", b"")), "is not in a folder"),
    "a foreign file in a project": (zipped(("shop/evil.exe", b"")), "is not a file of a project"),
    "an invalid key": (zipped(("My Shop/project.json", PROJECT)), "lowercase letters"),
}


def made(data: bytes | Callable[[], bytes]) -> bytes:
    return data if isinstance(data, bytes) else data()


def test_a_hostile_archive_is_refused_with_the_reason():
    for name, (data, said) in HOSTILE.items():
        with case(name):
            with pytest.raises(FilesError) as refused:
                unpack(made(data))
            assert said in str(refused.value)
            assert str(refused.value).isprintable() or "\n" in str(refused.value)


FOUND_BY_UNPACKING = {
    "is damaged",
    "is not in a folder",
    "is not a file of a project",
    "shop/evil.exe: is not a",
    "lowercase letters",
    "contains no project",
}
UNREAD = {name: data for name, (data, said) in HOSTILE.items() if said not in FOUND_BY_UNPACKING}


def test_it_is_refused_before_anything_is_unpacked(monkeypatch):
    def unexpected(*_arguments, **_more):
        raise AssertionError

    unread = {name: made(data) for name, data in UNREAD.items()}
    monkeypatch.setattr(zipfile.ZipFile, "open", unexpected)
    for name, archive in unread.items():
        with case(name), pytest.raises(FilesError):
            unpack(archive)


def test_an_archive_that_is_too_large_as_a_whole_is_refused(monkeypatch):
    with pytest.raises(FilesError, match="larger than 20 MB"):
        unpack(zipped() + bytes(20_000_000))
    monkeypatch.setattr(archives, "MAX_UNPACKED", 5_000)
    with pytest.raises(FilesError, match="unpacks to 5,0"):
        unpack(zipped(("shop/a.md", b"x" * 5_000)))


def test_what_other_programs_add_to_an_archive_is_ignored():
    data = zipped(
        ("shop/", b"", stat.S_IFDIR | 0o755),
        ("shop/README.md", b"hello"),
        ("__MACOSX/shop/._project.json", b"\0"),
        (".DS_Store", b"\0"),
        ("shop/.gitignore", b""),
    )
    assert unpack(data) == [SHOP]


def test_a_stored_archive_and_one_with_a_comment_are_read():
    buffer = io.BytesIO(zipped(compression=zipfile.ZIP_STORED))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"from elsewhere"
    assert unpack(buffer.getvalue()) == [SHOP]


@given(st.lists(projects(), max_size=3, unique_by=lambda project: project.key).filter(bool))
@settings(UNHURRIED, max_examples=50)
def test_every_project_survives_packing_and_unpacking(several):
    data = pack(several)
    assert unpack(data) == sorted(several, key=lambda project: project.key)
    assert pack(unpack(data)) == pack(sorted(several, key=lambda project: project.key))


@given(st.data())
@settings(UNHURRIED, max_examples=300)
def test_a_damaged_archive_is_refused_or_read_correctly(data):
    """Bytes are changed or cut out anywhere."""
    broken = bytearray(pack([SHOP]))
    for _change in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(broken) - 1))
        if data.draw(st.booleans()):
            broken[at] = data.draw(st.integers(0, 255))
        else:
            del broken[at : at + data.draw(st.integers(1, 20))]
            if not broken:
                break
    try:
        read = unpack(bytes(broken))
    except FilesError:
        return
    assert read == [SHOP]
