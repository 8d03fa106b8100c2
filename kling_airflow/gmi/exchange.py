"""One exchange with a server: the phase it is in, and its end at the total deadline in every phase.

The libraries bound single steps only: a name server that does not respond, headers that drip, or a body that
is sent over a slow line outlast every one of their timeouts. :func:`within` therefore runs the exchange in a
thread, and returns at the deadline even if the thread does not.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable
from enum import Enum
from typing import Final, TypeVar

T = TypeVar("T")

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""Value of `SO_LINGER`: without it, the system goes on sending what a closed connection has buffered."""


class Phase(Enum):
    """How far an exchange has come."""

    PREPARE = "preparing the call"
    LOOKUP = "looking up the host"
    CONNECT = "connecting"
    SECURE = "agreeing on TLS or on a tunnel"
    SEND = "sending the call"
    WAIT = "waiting for the status and the headers"
    BODY = "reading the response"

    @property
    def may_have_been_sent(self) -> bool:
        """Whether a part of the call may have reached the server. Before, it is certain that nothing has."""
        return self in {Phase.SEND, Phase.WAIT, Phase.BODY}


class GivenUp(Exception):
    """The deadline of the exchange has passed: its thread must not go on. No caller sees this exception."""


class DeadlinePassed(Exception):
    """The exchange was not complete at its deadline.

    :param phase: the phase it was in.
    """

    def __init__(self, phase: Phase) -> None:
        self.phase = phase
        super().__init__(phase.value)


class Exchange:
    """The state of one exchange, shared by the thread that makes it and the thread that waits for it."""

    def __init__(self) -> None:
        self.phase = Phase.PREPARE
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._given_up = False

    def enter(self, phase: Phase) -> None:
        """Record that a phase begins.

        :raises GivenUp: after the deadline. So a call whose phase was before `SEND` at its deadline is
            certain never to be sent.
        """
        with self._lock:
            if self._given_up:
                raise GivenUp
            self.phase = phase

    def watch(self, connection: socket.socket) -> None:
        """Remember the connection that :meth:`give_up` cuts.

        :param connection: a socket. A copy of its descriptor is kept, because TLS detaches the socket itself.
        """
        with self._lock:
            if self._given_up:
                raise GivenUp
            if self._connection is None:
                self._connection = socket.socket(fileno=os.dup(connection.fileno()))

    def give_up(self) -> Phase:
        """End the exchange now; return the phase it was in."""
        with self._lock:
            self._given_up = True
            if self._connection is not None:
                with contextlib.suppress(OSError):
                    self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                    self._connection.shutdown(socket.SHUT_RDWR)
                self._forget_connection()
            return self.phase

    def finish(self) -> None:
        """Release the copy of the connection."""
        with self._lock:
            self._forget_connection()

    def _forget_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None


def within(seconds: float, exchange: Exchange, make: Callable[[], T]) -> T:
    """Return what an exchange returns, or raise what it raises.

    :param seconds: the total deadline, from now.
    :param make: makes the exchange; it runs in a thread of its own.
    :raises DeadlinePassed: at the deadline. The connection is cut, and nothing more is sent.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            results.append(make())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=run, name="kling-exchange", daemon=True).start()
    in_time = False
    try:
        in_time = done.wait(seconds)
    finally:
        # Also if a signal's handler raises here, as for Airflow's `execution_timeout`.
        phase = exchange.phase if in_time else exchange.give_up()
        exchange.finish()
    if not in_time:
        raise DeadlinePassed(phase)
    if errors:
        raise errors[0]
    return results[0]
