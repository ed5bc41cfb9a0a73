"""uvicorn with our connections below and our bridge to WSGI on top."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

import uvicorn

from config.webserver.connections import Connections, LimitedConnection
from config.webserver.limits import Limits
from config.webserver.wsgi_bridge import WsgiBridge

BACKLOG = 1024  # connections that the system keeps until they are accepted


def make_server(application: Callable[..., Iterable[bytes]], limits: Limits) -> uvicorn.Server:
    """Return the server of one process; `run` takes the listening sockets."""
    return uvicorn.Server(
        uvicorn.Config(
            WsgiBridge(application, limits),
            http=functools.partial(LimitedConnection, connections=Connections(limits)),  # type: ignore[arg-type]
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
