"""Projects as a zip file. An uploaded file is checked as a whole before anything in it is unpacked.

In memory, without Django: what is refused here never reaches the disk or the database. Only what `pack` writes need be
accepted, so every other feature of zip files (links, encryption, ZIP64, other compressions) is refused.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from templates_app.files.project_files import MAX_FILE, FileProblem, FilesError, ProjectFiles, files_of, is_ignored
from templates_app.files.reading import MAX_PROBLEMS, parse_project

MAX_ARCHIVE = 20_000_000  # bytes, compressed
MAX_UNPACKED = 100_000_000  # bytes of all files together
MAX_ENTRIES = 20_000
MAX_NAME = 200  # characters
MAX_RATIO = 200  # uncompressed to compressed, of a file larger than RATIO_EXEMPT
RATIO_EXEMPT = 1_000_000  # bytes
END = struct.Struct("<4s4H2LH")  # end of central directory, APPNOTE.TXT 4.3.16
ENTRY = struct.Struct("<4s6H3L5H2L")  # entry of the central directory, 4.3.12
LOCAL = struct.Struct("<4s5H3L2H")  # local file header, 4.3.7
ENCRYPTED = 0x1 | 0x40 | 0x2000  # flags, 4.4.4
UTF_8 = 0x800
COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ARCHIVE_ENDINGS = (".zip", ".jar", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar", ".zst")
FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # so that the same projects always give the same bytes
MACOS_METADATA = "__MACOSX/"  # added by the Finder


@dataclass(frozen=True, slots=True)
class CentralDirectory:
    """Where the central directory of a zip file starts, and how many entries it declares."""

    start: int
    entries: int


def pack(projects: Iterable[ProjectFiles]) -> bytes:
    """Return a zip file of the projects, each in a folder named after its key."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for project in projects:
            for path, data in sorted(files_of(project).items()):
                entry = zipfile.ZipInfo(f"{project.key}/{path}", FIXED_TIME)
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                entry.create_system = 3
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, data)
    return buffer.getvalue()


def unpack(data: bytes) -> list[ProjectFiles]:
    """Return the projects in a zip file, sorted by key. Raises FilesError with everything that is wrong."""
    layout = read_central_directory(data)
    problems = undecodable_names(data, layout)
    if problems:
        raise FilesError(problems[:MAX_PROBLEMS])
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            problems = entry_problems(entries, data, layout)
            if problems:
                raise FilesError(problems[:MAX_PROBLEMS])
            projects = files_by_project(archive, entries)
    except (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, EOFError) as error:
        raise archive_error(f"is damaged: {error}") from error
    read, problems = [], []
    for key in sorted(projects):
        try:
            read.append(parse_project(key, projects[key]))
        except FilesError as error:
            problems += error.problems
    if problems:
        raise FilesError(problems[:MAX_PROBLEMS])
    if not read:
        raise archive_error("contains no project, which is a folder with a project.json")
    return read


def archive_error(message: str) -> FilesError:
    """Return the error for something wrong with the zip file as a whole."""
    return FilesError([FileProblem("The zip file", 0, message)])


# ---------------------------------------------------------------- before unpacking


def read_central_directory(data: bytes) -> CentralDirectory:
    """Locate the central directory without reading it. Raises FilesError."""
    if len(data) > MAX_ARCHIVE:
        raise archive_error(f"is larger than {MAX_ARCHIVE // 1_000_000} MB")
    if not data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        raise archive_error("is not a zip file")
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - END.size - 0xFFFF))
    if at < 0 or at + END.size > len(data):
        raise archive_error("is cut off: its directory is missing")
    _magic, disk, first_disk, here, entries, size, start, comment = END.unpack_from(data, at)
    if disk or first_disk or here != entries:
        raise archive_error("is one part of several")
    if 0xFFFF in (entries,) or 0xFFFFFFFF in (size, start) or entries > MAX_ENTRIES:
        raise archive_error(f"contains more than {MAX_ENTRIES:,} files")
    if at + END.size + comment != len(data) or start + size != at:
        raise archive_error("contains data before or after the archive")
    if size > MAX_ENTRIES * (46 + MAX_NAME):
        raise archive_error("has a directory that is too large")
    return CentralDirectory(start=start, entries=entries)


def undecodable_names(data: bytes, layout: CentralDirectory) -> list[FileProblem]:
    """Return the entries whose name is marked as UTF-8 and is not. `zipfile` would raise at the first one."""
    problems, at = [], layout.start
    for _ in range(layout.entries):
        if data[at : at + 4] != b"PK\x01\x02" or at + ENTRY.size > len(data):
            break  # zipfile says what is wrong
        fields = ENTRY.unpack_from(data, at)
        flags, name, extra, comment = fields[3], *fields[10:13]
        given = data[at + ENTRY.size : at + ENTRY.size + name]
        try:
            given.decode("utf-8" if flags & UTF_8 else "cp437")
        except UnicodeDecodeError:
            shown = printable(given.decode("utf-8", "backslashreplace"))
            problems.append(FileProblem(shown, 0, "has a name that is marked as UTF-8 but is not valid UTF-8"))
        at += ENTRY.size + name + extra + comment
    return problems


def entry_problems(entries: list[zipfile.ZipInfo], data: bytes, layout: CentralDirectory) -> list[FileProblem]:
    """Return what is wrong with the entries, judging by their headers alone."""
    if len(entries) != layout.entries:
        return archive_error("contains a different number of files than it declares").problems
    problems = []
    for entry in entries:
        message = name_problem(entry.orig_filename) or header_problem(entry)
        if message:
            problems.append(FileProblem(printable(entry.orig_filename), 0, message))
    problems += collisions([entry.orig_filename for entry in entries])
    total = sum(entry.file_size for entry in entries)
    if total > MAX_UNPACKED:
        problems += archive_error(f"unpacks to {total:,} bytes, more than {MAX_UNPACKED:,}").problems
    return problems or overlaps(entries, data, layout)


def name_problem(name: str) -> str:
    """Return why a name is refused, or an empty string."""
    if len(name) > MAX_NAME:
        return f"has a name longer than {MAX_NAME} characters"
    if not name.isascii() or not name.isprintable():
        return "has a name with characters other than ASCII letters, digits and punctuation"
    if "\\" in name or ":" in name:
        return "has a name with a backslash or a colon"
    if name.startswith("/"):
        return "has an absolute name"
    if any(part in {"", ".", ".."} for part in name.removesuffix("/").split("/")):
        return "has a name that leads outside its folder"
    if name.lower().endswith(ARCHIVE_ENDINGS):
        return "is an archive itself"
    return ""


def header_problem(entry: zipfile.ZipInfo) -> str:
    """Return why an entry is refused because of its header, or an empty string."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR} or (kind == stat.S_IFDIR) > entry.orig_filename.endswith("/"):
        return "is a link or a device, not a file"
    if entry.flag_bits & ENCRYPTED:
        return "is encrypted"
    if entry.compress_type not in COMPRESSIONS:
        return "is compressed in a way that is not supported"
    if entry.file_size > (0 if entry.orig_filename.endswith("/") else MAX_FILE):
        return f"is larger than {MAX_FILE:,} bytes"
    if entry.file_size > RATIO_EXEMPT and entry.file_size > MAX_RATIO * max(1, entry.compress_size):
        return f"unpacks to more than {MAX_RATIO} times its size"
    return ""


def collisions(names: list[str]) -> list[FileProblem]:
    """Return names that occur twice, ignoring case, or as both a file and a folder."""
    problems, seen = [], set()
    for name in names:
        plain = name.removesuffix("/").casefold()
        if plain in seen:
            problems.append(FileProblem(printable(name), 0, "occurs twice"))
        seen.add(plain)
    folders = {plain[:at] for plain in seen for at, character in enumerate(plain) if character == "/"}
    files = {name.casefold() for name in names if not name.endswith("/")}
    problems += [FileProblem(printable(name), 0, "is both a file and a folder") for name in sorted(files & folders)]
    return problems


def overlaps(entries: list[zipfile.ZipInfo], data: bytes, layout: CentralDirectory) -> list[FileProblem]:
    """Return entries that share bytes, or whose local header contradicts the central directory."""
    problems, free = [], 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        at = entry.header_offset
        if at < free or at + LOCAL.size > layout.start or data[at : at + 4] != b"PK\x03\x04":
            problems.append(FileProblem(printable(entry.orig_filename), 0, "overlaps another file"))
            continue
        _magic, _version, flags, method, _time, _date, _crc, _packed, _size, name, extra = LOCAL.unpack_from(data, at)
        body = at + LOCAL.size + name + extra
        free = body + entry.compress_size
        written = data[at + LOCAL.size : at + LOCAL.size + name]
        if (
            written != entry.orig_filename.encode("ascii", "replace")
            or method != entry.compress_type
            or flags & ENCRYPTED
            or free > layout.start
        ):
            problems.append(
                FileProblem(printable(entry.orig_filename), 0, "is described differently in its two headers")
            )
    return problems


def printable(name: str) -> str:
    """Return a name to show: at most MAX_NAME characters, those that do not print or change direction escaped."""
    shown = (one if one.isprintable() else one.encode("unicode_escape").decode() for one in name[:MAX_NAME])
    return "".join(shown).strip() or "(no name)"


# ---------------------------------------------------------------- unpacking


def files_by_project(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> dict[str, dict[str, bytes]]:
    """Return each project's files by their paths within it. Raises FilesError, BadZipFile, zlib.error."""
    projects: dict[str, dict[str, bytes]] = {}
    problems = []
    for entry in entries:
        name = entry.orig_filename  # the one that was checked; an extra field may give zipfile another
        if name.endswith("/") or name.startswith(MACOS_METADATA) or is_ignored(name):
            continue
        key, slash, path = name.partition("/")
        if not slash:
            problems.append(FileProblem(printable(name), 0, "is not in a folder named after a project's key"))
            continue
        with archive.open(entry) as file:
            projects.setdefault(key, {})[path] = file.read(entry.file_size + 1)
    if problems:
        raise FilesError(problems)
    return projects
