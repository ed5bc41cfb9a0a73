"""How long visitors may take, and how much of the server one of them may occupy."""

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024
PIECE = 64 * KIB  # octets that are handed to a connection at a time


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one web process. Times are in seconds, sizes in octets."""

    header_seconds: float = (
        10  # from the connection, or the first octet of a further request, to the end of its headers
    )
    idle_seconds: int = 15  # between two requests on one connection
    body_seconds: float = 20  # for a body, plus its size at `slowest`
    piece_seconds: float = 15  # for a client to take in one PIECE of an answer
    stop_seconds: int = 10  # for running requests when the process is asked to stop
    slowest: int = 16 * KIB  # octets per second

    header_size: int = 32 * KIB
    body_size: int = 64 * MIB  # the API takes messages of up to 37.5 MB and says so itself
    body_in_memory: int = 256 * KIB  # what is larger goes to a temporary file
    answer_in_memory: int = 1 * MIB  # as much as may wait for a slow client; what is more, too

    connections: int = 8_000  # that wait for their clients, all in all
    connections_per_client: int = 256

    threads: int = 8  # for pages and the API
    threads_per_client: int = 6
    password_threads: int = 2  # for forms that hash passwords: 100 MB and all cores for each
    password_threads_per_client: int = 1
    queue: int = 512  # requests that wait for a thread
    queue_per_client: int = 64
