"""Ports on the loopback interface."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from kling_airflow.demo.errors import DemoError

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Return different ports that no program listens on.

    :param count: how many.
    """
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [bound.getsockname()[1] for bound in sockets]


def require_free(port: int, *, option: str) -> int:
    """Return the port, or say that another program has it.

    :param port: the port that the option names.
    :param option: the command line option it came from, for the message.
    :raises DemoError: if it can't be listened on.
    """
    if not 1 <= port <= 65535:
        raise DemoError(f"{option} {port}: a port is a number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise DemoError(
                f"Port {port} can't be used: {error.strerror}. "
                f"Choose another with {option}, or leave {option} out to take a free one."
            ) from error
    return port
