"""How long `make run` takes the first and the second time, and how much memory its processes need.

``python -m benchmarks.bench_start``: clones the last commit into a scratch folder, so uncommitted changes are ignored.
"""

import os
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from time import monotonic, sleep

from benchmarks.figures import report

ROOT = Path(__file__).parent.parent
LONGEST = 300  # seconds


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path) -> tuple[subprocess.Popen[bytes], float]:
    """Run `make run` in `folder`. Return the process and the seconds until the first page was served."""
    port = free_port()
    kept = ("PATH", "HOME", "LANG", "PIP_", "UV_", "SSL_")
    environment = {name: value for name, value in os.environ.items() if name.startswith(kept)}
    begin = monotonic()
    process = subprocess.Popen(
        ["make", "run"],
        cwd=folder,
        env={**environment, "PORT": str(port)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while monotonic() - begin < LONGEST and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/setup/", timeout=5) as answer:
                assert answer.status == 200
                return process, monotonic() - begin
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            sleep(0.02)
    message = "make run did not answer"
    raise RuntimeError(message)


def stop(process: subprocess.Popen[bytes]) -> float:
    begin = monotonic()
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=60)
    return monotonic() - begin


def memory(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Return the memory in MB of the web server and the worker with their children; what is shared counts once."""
    found: dict[str, float] = {}
    for folder in Path("/proc").iterdir():
        try:
            if not folder.name.isdigit() or os.getsid(int(folder.name)) != os.getsid(process.pid):
                continue
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            rollup = (folder / "smaps_rollup").read_text()
            kilobytes = int(rollup.partition("\nPss:")[2].split()[0])
        except (OSError, ProcessLookupError):
            continue
        kind = "web" if "config.webserver" in command else "worker" if "run_huey" in command else "supervisor"
        found[kind] = found.get(kind, 0) + kilobytes * 1024 / 1e6
    return found


def main() -> None:
    """Measure, and print one JSON line per figure."""
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        process, seconds = start(clone)
        report("start", "make run from nothing", seconds, "s")
        stop(process)
        process, seconds = start(clone)
        report("start", "make run again", seconds, "s")
        sleep(3)
        for kind, megabytes in memory(process).items():
            report("memory", kind, megabytes, "MB")
        report("start", "stop", stop(process), "s")


if __name__ == "__main__":
    main()
