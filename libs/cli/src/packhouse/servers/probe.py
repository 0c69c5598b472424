"""Small questions to a port that need no client library, so that waiting costs nothing."""

import socket

TIMEOUT_SECONDS = 0.5


def accepts_connections(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


def replies(port: int, question: bytes, expected: bytes) -> bool:
    """Whether a local port replies to `question` with bytes that begin as `expected`."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
            connection.settimeout(TIMEOUT_SECONDS)
            connection.sendall(question)
            return connection.recv(64).startswith(expected)
    except OSError:
        return False
