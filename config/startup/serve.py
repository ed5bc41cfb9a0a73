"""Starts Mailadmin: prepares the database and the static files, then hands over to `config.startup.supervise`.

``make run`` calls ``python -m config.startup.serve``; ``--worker-only`` starts one more worker and no web server.
Preparation needs all of Django, supervision needs none of it, so the process replaces itself in between and takes up
little memory beside the web server and the worker.
"""

import argparse
import hashlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from config.startup.supervise import SETUP_LINK

MIGRATION_LOCK = 6245177  # arbitrary, but the same on all machines


def main() -> None:
    """Prepare, then become the supervisor. Exits with 2 for a wrong setting and 1 for any other obstacle."""
    parser = argparse.ArgumentParser(prog="python -m config.startup.serve", description="Start Mailadmin.")
    parser.add_argument("--worker-only", action="store_true", help="start a worker and no web server")
    worker_only = parser.parse_args().worker_only
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during preparation ends it at once, without a traceback
    try:
        host, port = settings.WEB_HOST, settings.PORT
        if not worker_only and not port_is_free(host, port):
            other = port + 1 if port < 65535 else 8000
            refuse(f"Port {port} is in use by another program. Choose another port: PORT={other} make run")
        django.setup()
        from users import setup  # noqa: PLC0415  (needs loaded apps)

        prepare_database()
        if not worker_only and not settings.DEBUG:
            build_static_files()
        # In the environment, because the arguments of a process can be read by everybody on the machine.
        os.environ[SETUP_LINK] = "" if setup.is_done() else setup.setup_link()
        connection.close()
    except ImproperlyConfigured as error:
        refuse(str(error), status=2)
    except CommandError as error:
        refuse(str(error))
    except DatabaseError as error:
        refuse(f"The database cannot be used: {str(error).strip()}")
    except OSError as error:
        refuse(f"The static files cannot be built: {error}")
    arguments = [] if worker_only else ["--host", host, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "config.startup.supervise", *arguments])  # noqa: S606  (no shell wanted)


def refuse(message: str, *, status: int = 1) -> None:
    """Print why Mailadmin does not start, and exit."""
    sys.stderr.write(f"{message}\n")
    sys.exit(status)


def port_is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As the web server does: lingering connections of an earlier run do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def prepare_database() -> None:
    """Migrate the database, run Django's checks, and create the administrator that the environment names."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        with migration_lock():
            call_command("migrate", interactive=False, verbosity=0)
    call_command("ensure_admin", skip_checks=False, quiet=True)


@contextmanager
def migration_lock() -> Iterator[None]:
    """Make other machines that start at the same time wait; afterwards they have nothing left to migrate."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def build_static_files() -> None:
    """Collect and compress the static files, unless nothing has changed since they were last built."""
    stamp = Path(settings.STATIC_ROOT) / ".built-from"
    sources = static_sources()
    if stamp.is_file() and stamp.read_text(encoding="ascii") == sources:
        return
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(sources, encoding="ascii")


def static_sources() -> str:
    """Return a digest of the names, sizes and modification times of all static files, and of their storage class."""
    digest = hashlib.sha256(settings.STORAGES["staticfiles"]["BACKEND"].encode())
    for finder in get_finders():
        for name, storage in sorted(finder.list([]), key=lambda found: found[0]):
            found = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
