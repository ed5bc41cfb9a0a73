"""uvicorn with our connections below and our bridge to WSGI on top."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import uvicorn

from config.webserver.connections import Connections, LimitedConnection
from config.webserver.limits import Limits
from config.webserver.wsgi_bridge import WsgiBridge

BACKLOG = 1024  # connections that the system keeps until they are accepted


def make_server(
    application: Callable[..., Iterable[bytes]],
    limits: Limits,
    *,
    client_of: Callable[[dict[str, Any]], str],
    is_proxy: Callable[[str], bool],
) -> uvicorn.Server:
    """Return the server of one process; `run` takes the listening sockets.

    `client_of` returns the address of the client of a WSGI environ; `is_proxy`, whether an address is a proxy's, which
    has as many connections as it wants.
    """
    return uvicorn.Server(
        uvicorn.Config(
            WsgiBridge(application, limits, client_of),
            http=functools.partial(LimitedConnection, connections=Connections(limits, is_proxy)),  # type: ignore[arg-type]
            ws="none",
            loop="asyncio",
            interface="asgi3",
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            log_level="error",
            backlog=BACKLOG,
            h11_max_incomplete_event_size=limits.header_size,
            timeout_keep_alive=limits.idle_seconds,
            timeout_graceful_shutdown=limits.stop_seconds,
        )
    )
