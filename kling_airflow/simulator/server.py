"""`Simulator`: the simulated request queue in a thread of this process."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

from kling_airflow.simulator.clock import Clock, SkewedClock
from kling_airflow.simulator.config_file import check_faults
from kling_airflow.simulator.settings import Settings

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import TracebackType

    from kling_airflow.simulator.http.listener import Listener
    from kling_airflow.simulator.queue.billing import LedgerEntry
    from kling_airflow.simulator.service import Service

log = logging.getLogger(__name__)
T = TypeVar("T")
READY_WITHIN = 30.0
STOP_WITHIN = 30.0
"""Seconds until a simulator that does not end is left behind: its thread dies with the process."""


class Simulator:
    """The request queue in a thread of this process. `with Simulator() as simulator:` starts and stops it.

    :param host: the address to listen on.
    :param port: 0 takes a free port.
    :param clock: the clock of the service; a test moves a `ManualClock`.
    :param settings: ready-made settings.
    :param values: the fields of `Settings`, such as `speed=60` or `accounts=[...]`, without `settings`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        **values: Any,
    ) -> None:
        self.settings = Settings(**values) if settings is None else settings
        check_faults(self.settings.faults)
        self.clock = clock or Clock()
        self._host, self._port = host, port
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Listener | None = None
        self._service: Service | None = None

    @property
    def base_url(self) -> str:
        """The address it listens on, such as `http://127.0.0.1:8787`; clients append the queue's path."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - not bound here
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    @property
    def api_key(self) -> str:
        """The API key of the first account, after a rotation the new one."""
        service = self._service
        return self.settings.accounts[0].key if service is None else service.accounts.first_key

    @property
    def connection(self) -> str:
        """The Airflow connection to it, as the JSON that `AIRFLOW_CONN_...` takes."""
        return connection_json(self.base_url, self.api_key)

    def ledger(self) -> list[LedgerEntry]:
        """Return every request that was created, oldest first, with what it costs."""
        return self._call(lambda service: service.ledger())

    def calls(self) -> dict[str, int]:
        """Return how often each call was made, such as `{"POST /requests": 3}`."""
        return self._call(lambda service: dict(service.calls))

    def wait_rendered(self, timeout: float = READY_WITHIN) -> None:
        """Wait until every clip is rendered. After that, only the clock moves requests.

        :param timeout: seconds.
        :raises TimeoutError: when it takes longer.
        """
        loop, service = self._running()
        asyncio.run_coroutine_threadsafe(service.generator.idle(), loop).result(timeout)

    def reset(self) -> None:
        """Forget every request, upload, count and fault."""
        self._call(lambda service: service.reset())

    def fail_next(self, reason: str) -> None:
        """Let the next request that is created end as failed.

        :param reason: the text in `outcome.error`.
        """
        self.faults.add("failed", reason=reason)

    def rotate_key(self, new_key: str, *, name: str | None = None) -> None:
        """Replace an API key: from now on the old key is refused and the new key is accepted.

        :param name: the name of the key; None is that of the first account.
        :raises ValueError: when no key has that name, or when the new key is empty or in use.
        """
        name = name or self.settings.accounts[0].name
        self._call(lambda service: service.accounts.rotate(name, new_key))

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return Faults(self._call)

    def start(self) -> Simulator:
        """Start listening; return when connections are accepted.

        :raises OSError: when the address is not available.
        """
        self._ready.clear()
        self._thread = threading.Thread(target=self._run, name="gmi-simulator", daemon=True)
        self._thread.start()
        if not self._ready.wait(READY_WITHIN):
            raise TimeoutError(f"The simulator did not listen within {READY_WITHIN:g} s.")
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Stop listening, end every generation, remove the rendered clips."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_WITHIN)
            if self._thread.is_alive():
                log.error("The simulator has not ended within %g s. At work:\n%s", STOP_WITHIN, _at_work())
            self._thread = None

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _call(self, work: Callable[[Service], T]) -> T:
        """Call a function with the service, on the service's event loop; return its result."""
        loop, service = self._running()

        async def on_loop() -> T:
            return work(service)

        return asyncio.run_coroutine_threadsafe(on_loop(), loop).result(READY_WITHIN)

    def _running(self) -> tuple[asyncio.AbstractEventLoop, Service]:
        if self._loop is None or self._service is None:
            raise RuntimeError("The simulator is not running: use it as `with Simulator() as sim:`.")
        return self._loop, self._service

    def _run(self) -> None:
        from kling_airflow.simulator.http.listener import listen

        try:
            listener = listen(self._host, self._port)
            self._port = listener.getsockname()[1]
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(self.serve(listener))
        except BaseException as error:
            self._failure = error
        finally:
            self._loop = self._service = self._server = None
            self._ready.set()

    async def serve(self, listener: socket.socket) -> None:
        """Serve on a listening socket until `stop` is called."""
        from kling_airflow.simulator.http.app import build
        from kling_airflow.simulator.http.listener import Listener
        from kling_airflow.simulator.http.middleware import CallMiddleware
        from kling_airflow.simulator.http.security import allowed_hosts
        from kling_airflow.simulator.service import Service

        self._port = listener.getsockname()[1]
        skew = self.settings.clock_skew_seconds
        service = Service(self.settings, SkewedClock(self.clock, skew) if skew else self.clock)
        service.listen_at(self.base_url)
        self._server = Listener(
            CallMiddleware(build(service), service, allowed_hosts(self.settings, self._host)),
            listener,
            self._ready.set,
        )
        service.refuse_connections = self._server.refuse
        self._service, self._loop = service, asyncio.get_running_loop()
        try:
            await self._server.serve()
        finally:
            await service.close()


class Faults:
    """The faults in force; the same as `/_simulator/faults`.

    :param call: calls a function with the service, on the service's event loop.
    """

    def __init__(self, call: Callable[[Callable[[Service], Any]], Any]) -> None:
        self._call = call

    def add(self, name: str, **values: Any) -> str:
        """Put a fault in force; return its id.

        :param name: the fault, such as `"rate-limited"`; `docs/simulator.md` lists them.
        :param values: its calls (`call`, `request_id`, `key`, `organization`, `model`, `contains`),
            how often (`skip`, `nth`, `times`, `for_seconds`, `probability`), and the fault's own options.
        :raises ValueError: naming what is wrong.
        """
        fault_id: str = self._call(lambda service: service.add_fault({"name": name, **values}).id)
        return fault_id

    def remove(self, fault_id: str) -> bool:
        """Take a fault out of force; return whether it was in force."""
        return bool(self._call(lambda service: service.faults.remove(fault_id)))

    def clear(self) -> None:
        """Take every fault out of force."""
        self._call(lambda service: service.faults.clear())

    def list(self) -> list[dict[str, Any]]:
        """Return the faults in force, with how often each has struck."""
        faults: list[dict[str, Any]] = self._call(
            lambda service: [fault.describe() for fault in service.faults.in_force()]
        )
        return faults


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's if uvloop is installed: it serves twice as many calls. None is asyncio's."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _at_work() -> str:
    """Return the stack of each thread but this one."""
    frames = sys._current_frames()  # noqa: SLF001 - the documented way to a thread's stack
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    stacks = {thread.name: frames[thread.ident] for thread in others if thread.ident in frames}
    return "\n".join(f"{name}:\n{''.join(traceback.format_stack(at))}" for name, at in stacks.items())


def connection_json(base_url: str, key: str) -> str:
    """Return an Airflow connection as the JSON that `AIRFLOW_CONN_GMI_CLOUD_DEFAULT` takes."""
    return json.dumps({"conn_type": "gmi_cloud", "host": base_url, "password": key})
