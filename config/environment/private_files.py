"""What the program keeps on disk belongs to one user of the machine: sessions, messages and keys open everything."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

UMASK = 0o077
OTHERS = 0o007
BESIDE = ("-wal", "-shm", "-journal")  # files that SQLite keeps beside a database


def protect(folder: Path, databases_and_logs: Iterable[Path], dotenv: Path) -> list[str]:
    """Have new files readable by their owner alone, and take from others what they may do with the existing ones.

    `folder` and all files in it, `databases_and_logs` wherever they are, and of `dotenv` what neither owner nor group
    need. Return what others can still read, because it belongs to another user.
    """
    os.umask(UMASK)
    files = [file for path in databases_and_logs for file in (path, *(Path(f"{path}{end}") for end in BESIDE))]
    inside = [file for file in folder.glob("*") if not file.is_symlink()] if folder.is_dir() else []
    wanted = dict.fromkeys((folder, *inside, *files), UMASK) | {dotenv: OTHERS}
    return [str(path) for path, taken in wanted.items() if not tighten(path, taken)]


def tighten(path: Path, taken: int) -> bool:
    """Take the bits `taken` from the mode of `path`. Return whether it has none of them, or does not exist."""
    try:
        mode = path.stat().st_mode
        if not mode & taken or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return True
        path.chmod(stat.S_IMODE(mode) & ~taken)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
