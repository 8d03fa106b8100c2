"""A connection of type ``gmi_cloud`` turned into clients of the request queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_airflow.airflow_compat import AirflowNotFoundException, BaseHook
from kling_airflow.errors import InvalidArgument, KlingError, Unauthorized
from kling_airflow.exceptions import airflow_errors

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Connection
    from kling_airflow.gmi.async_client import AsyncGMIClient
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.gmi.retries import Retries
    from kling_airflow.polling.poller import Poller


class GMICloudHook(BaseHook):
    """Talk to GMI Cloud's request queue with the key of an Airflow connection.

    The connection holds the API key (password), the base URL (host, default the real service) and, as
    extras, ``organization_id`` for a key of several organizations and ``max_calls_per_second`` for the wait
    in the triggerer. It is read once per hook, and again when the
    queue refuses the key.

    :param gmi_conn_id: the connection's id.
    """

    conn_name_attr = "gmi_conn_id"
    default_conn_name = "gmi_cloud_default"
    conn_type = "gmi_cloud"
    hook_name = "GMI Cloud"

    def __init__(self, gmi_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gmi_conn_id = gmi_conn_id
        self._client: GMIClient | None = None
        self._used: dict[str, Any] = {}

    def get_conn(self) -> GMIClient:
        """Return the client, the same one each time.

        :raises Unauthorized: if the connection isn't defined or has no key.
        :raises InvalidArgument: if its base URL isn't one.
        """
        if self._client is None:
            from kling_airflow.hooks.client import ConnectionClient

            with airflow_errors():
                connection = self._connection()
                self._used = _settings(connection, connection.extra_dejson)
                self._client = ConnectionClient(self.gmi_conn_id, **self._used)
        return self._client

    def reconnect(self) -> bool:
        """Read the connection again, after the queue refused its key; :meth:`get_conn` then uses it.

        :return: whether the key, the address or the organization is another one now.
        :raises Unauthorized: if the connection isn't defined or has no key.
        """
        from kling_airflow.hooks.client import ConnectionClient

        with airflow_errors():
            connection = self._connection()
            settings = _settings(connection, connection.extra_dejson)
            if settings == self._used:
                return False
            self._client = ConnectionClient(self.gmi_conn_id, **settings)
            self._used = settings
        return True

    async def get_async_conn(self, *, retries: Retries | None = None) -> AsyncGMIClient:
        """Return a new client for the running event loop; close it, or use it in ``async with``.

        :param retries: how calls that change nothing are repeated.
        :raises Unauthorized: if the connection isn't defined or has no key.
        """
        from kling_airflow.gmi.async_client import AsyncGMIClient

        with airflow_errors():
            connection, extra = await self._async_connection()
            return AsyncGMIClient(**_settings(connection, extra), retries=retries)

    async def get_poller(self) -> Poller:
        """Return the running loop's poller for this connection, shared by all waiters of this process.

        :raises Unauthorized: if the connection isn't defined or has no key.
        :raises InvalidArgument: if its base URL, ``max_calls_per_second`` or ``[kling] triggerers`` can't be
            used.
        """
        from kling_airflow.gmi.async_client import AsyncGMIClient
        from kling_airflow.hooks.limit_share import announcer, configured_triggerers
        from kling_airflow.hooks.metrics import AirflowMetrics
        from kling_airflow.polling.poller import poller_of

        with airflow_errors():
            connection, extra = await self._async_connection()
            client = AsyncGMIClient(**_settings(connection, extra))
            return poller_of(
                client,
                max_calls_per_second=_max_calls_per_second(extra),
                metrics=AirflowMetrics(),
                triggerers=configured_triggerers(),
                announce=announcer(client.protocol.identity),
            )

    def test_connection(self) -> tuple[bool, str]:
        """Ask the queue whether it takes the key; never raises.

        Airflow tests a connection under a name that it makes up, so that no text here names the connection.
        """
        from kling_airflow.gmi.client import GMIClient
        from kling_airflow.gmi.retries import Retries

        try:
            connection = self._connection()
            # A person waits for the answer.
            with GMIClient(
                **_settings(connection, connection.extra_dejson), retries=Retries(attempts=2)
            ) as client:
                client.check()
        except KlingError as error:
            return False, str(error).replace(" (`airflow connections test`)", "")
        except Exception as error:
            return False, f"{type(error).__name__}: {error}"
        return True, f"The queue at {client.protocol.base_url} takes the key."

    async def _async_connection(self) -> tuple[Connection, dict[str, Any]]:
        from kling_airflow.airflow_compat import get_async_connection, get_async_extra_dejson

        try:
            connection = await get_async_connection(self.gmi_conn_id)
        except AirflowNotFoundException:
            raise _undefined(self.gmi_conn_id) from None
        return connection, await get_async_extra_dejson(connection)

    def _connection(self) -> Connection:
        try:
            return self.get_connection(self.gmi_conn_id)
        except AirflowNotFoundException:
            raise _undefined(self.gmi_conn_id) from None

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's extra fields for Airflow before 3.2; later ones read the provider's metadata."""
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
        from flask_babel import lazy_gettext
        from wtforms import StringField

        return {
            "organization_id": StringField(lazy_gettext("Organization ID"), widget=BS3TextFieldWidget()),
            "max_calls_per_second": StringField(
                lazy_gettext("Calls per second, at most"), widget=BS3TextFieldWidget()
            ),
        }

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels for Airflow before 3.2, from the same source as later ones."""
        from kling_airflow.get_provider_info import get_provider_info

        (connection_type,) = get_provider_info()["connection-types"]
        behaviour = connection_type["ui-field-behaviour"]
        return {name.replace("-", "_"): value for name, value in behaviour.items()}


def default_connection(submitted_with: str | None) -> str:
    """Return the id of the connection to use if none is named.

    :param submitted_with: the connection that submitted the request, if that is known; it is used if the
        default connection is not defined.
    """
    default = GMICloudHook.default_conn_name
    if submitted_with in (None, default):
        return default
    try:
        BaseHook.get_connection(default)
    except AirflowNotFoundException:
        return submitted_with
    return default


def _undefined(conn_id: str) -> Unauthorized:
    return Unauthorized(
        f"The connection `{conn_id}` is not defined.",
        todo="Create it with the type `gmi_cloud` and the API key as its password.",
    )


def _max_calls_per_second(extra: dict[str, Any]) -> float:
    """Read the ceiling of the triggerer's calls: the connection's own, else ``[kling]``'s."""
    from kling_airflow.airflow_compat import conf

    value = extra.get("max_calls_per_second")
    where = "the connection's `max_calls_per_second`"
    if value in (None, ""):
        value = conf.get("kling", "max_calls_per_second", fallback="50")
        where = "`[kling] max_calls_per_second`"
    try:
        ceiling = float(value)
    except (TypeError, ValueError):
        ceiling = 0.0
    if not 0 < ceiling < float("inf"):
        raise InvalidArgument(f"{where} is {value!r}; it must be a number above 0", todo="Correct it.")
    return ceiling


def _settings(connection: Connection, extra: dict[str, Any]) -> dict[str, Any]:
    """Read a connection's fields; ``host`` may be a whole URL, or a name beside ``schema`` and ``port``."""
    from kling_airflow.hooks.client import pasted_key

    host = (connection.host or "").strip()
    if host and "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
        if connection.port:
            host = f"{host}:{connection.port}"
    return {
        "api_key": pasted_key(connection.password),
        "base_url": host or None,
        "organization_id": extra.get("organization_id") or None,
    }
