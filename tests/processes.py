"""Other processes, as tests see them."""

from pathlib import Path


def alive(process: int) -> bool:
    """Return whether the process runs; one that has ended and was not fetched does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
