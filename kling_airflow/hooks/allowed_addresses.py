"""Which addresses a task may read from and write to.

An address whose scheme and place are written in the DAG's code is trusted: its author could read the file in
Python as well. An address that came through a Param, ``conf``, an XCom or a row of data is confined to
``[kling] allowed_sources`` and ``[kling] allowed_destinations``: a person who may only trigger a DAG must not
reach the worker's disk, the company's network, or another connection. ``docs/security.md`` has the threat
model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from pathlib import PurePath
from types import CodeType
from typing import TYPE_CHECKING, Any

from kling_airflow.addresses import LOCAL, read_address, shown, split_connection
from kling_airflow.arguments import read_structure
from kling_airflow.errors import InvalidArgument
from kling_airflow.hooks.allowed_places import Place, any_holds, parse_places, place_of_code

if TYPE_CHECKING:
    from kling_airflow.media.http_connection import AddressGuard

SOURCES = "allowed_sources"
DESTINATIONS = "allowed_destinations"
DEFAULTS = {
    SOURCES: "https:// http:// s3:// s3a:// s3n:// gs:// gcs:// abfs:// abfss://",
    DESTINATIONS: "s3:// s3a:// s3n:// gs:// gcs:// abfs:// abfss://",
}
"""What is allowed if nothing is set: object stores, and the public web to read from. Not ``file://``."""
_OF_ONE_RUN = re.compile(r"^[a-z_]+__\d|\d{4}-?\d\d-?\d\d")
"""A run id of Airflow's own, or a date, in a folder's name."""


class WrittenPlaces:
    """The places that an operator's arguments name in the DAG's code; made in its ``__init__``.

    :param operator: the operator, after its own arguments were set.
    :param arguments: the arguments as they were given, by name.
    """

    def __init__(self, operator: Any, **arguments: object) -> None:
        # What reaches `__init__` of one of a mapped task's instances is data already: the mapped operator
        # in the DAG knows what was written. Airflow marks such instances (2.11 to 3.4).
        self._mapped = bool(getattr(operator, "_BaseOperator__from_mapped", False))
        self._operator = operator
        self._places = {} if self._mapped else {name: _written(value) for name, value in arguments.items()}

    def of(self, argument: str) -> tuple[Place, ...]:
        """Return the places that one argument names.

        A path object counts as written in code wherever it comes from: only code makes one, of whatever text.
        """
        value = getattr(self._operator, argument, None)
        made = _written(value) if _is_path(value) else ()
        if not self._mapped:
            return self._places.get(argument, ()) + made
        dag = getattr(self._operator, "dag", None)
        task = None if dag is None else dag.task_dict.get(self._operator.task_id)
        return made if task is None else _written_of_mapped(task, argument) + made


def confine(address: str, field: str, setting: str, written: tuple[Place, ...]) -> str:
    """Return an address that may be used.

    :param address: rendered.
    :param field: the argument's name, for the error.
    :param setting: ``SOURCES`` or ``DESTINATIONS``.
    :param written: the places that the DAG's code names for this argument.
    :raises InvalidArgument: it came from data, and the setting doesn't allow it.
    """
    if any_holds(written, address) or any_holds(allowed(setting), address):
        return address
    place = _place_to_allow(address)
    current = _setting(setting)
    raise InvalidArgument(
        f"`{field}` is {shown(address)}. That place is not written in the DAG's code: it came from a Param,"
        f" an XCom or other data, and `[kling] {setting}` does not allow it.",
        todo=f"If the place is meant, write it in the DAG's code, or set in airflow.cfg, under [kling]:"
        f" {setting} = {current} {place} (or AIRFLOW__KLING__{setting.upper()}='{current} {place}').",
    )


def http_guard(
    field: str,
    written: tuple[Place, ...],
    *,
    confined: bool = True,
    trusts: Callable[[str], bool] = lambda url: False,
) -> AddressGuard:
    """Return what a download asks before each hop: redirects are confined as the first address is.

    :param field: the argument's name, for errors.
    :param written: the places that the DAG's code names for this argument.
    :param confined: whether public hosts, too, must be in ``allowed_sources``; False for an address that the
        queue gave.
    :param trusts: whether a private host is meant for another reason, such as being the queue's own.
    """
    from kling_airflow.media.http_connection import AddressGuard

    places = allowed(SOURCES)
    trusted = not confined

    def check(url: str) -> None:
        nonlocal trusted
        if trusted:
            return
        confine(url, field, SOURCES, written)
        # Where the DAG's code names the first address, a redirect may lead to any public host.
        trusted = any_holds(written, url)

    def allows_private(url: str) -> bool:
        return any(place.names_host_of(url) for place in (*written, *places)) or trusts(url)

    return AddressGuard(
        check,
        allows_private,
        todo="If this host is meant, name it in `[kling] allowed_sources`, as https://host.",
    )


def allowed(setting: str) -> list[Place]:
    """Return the places that a setting allows."""
    return parse_places(_setting(setting))


def _setting(setting: str) -> str:
    from kling_airflow.airflow_compat import conf

    value = conf.get("kling", setting, fallback=None)
    return DEFAULTS[setting] if value is None else " ".join(str(value).split())


def _place_to_allow(address: str) -> str:
    """Return the narrowest place that an administrator would allow for an address."""
    plain = shown(address)
    scheme, _, rest = plain.partition("://")
    host, _, path = rest.partition("/")
    if scheme.lower() in LOCAL:
        first, *others = path.rpartition("/")[0].split("/")
        # A folder of one run, or of one day, would have to be allowed again for the next.
        return "file:///" + "/".join([first, *takewhile(lambda name: not _OF_ONE_RUN.search(name), others)])
    conn_id = split_connection(address)[0]
    return f"{scheme}://{conn_id}@{host}" if conn_id else f"{scheme}://{host}"


def _written(value: object) -> tuple[Place, ...]:
    """Return the places that an argument's value names: in text, in a list, or by the task that stores it."""
    return tuple(place for place in _walk(value) if place is not None)


def _walk(value: object) -> Iterator[Place | None]:
    value = read_structure(value)
    if isinstance(value, str):
        yield place_of_code(f"file://{value}" if value.startswith("/") else value)
    elif isinstance(value, Mapping):
        yield from map(place_of_code, filter(None, (value.get("uri"), value.get("video_url"))))
    elif isinstance(value, list | tuple):
        for element in value:
            yield from _walk(element)
    elif _is_path(value):
        yield place_of_code(read_address("", value))
    elif hasattr(value, "iter_references"):
        # An argument of a mapped task group, whose values may stand in the DAG's code.
        group_inputs = getattr(getattr(value, "_input", None), "value", None)
        yield from _walk_inputs(group_inputs, str(getattr(value, "_key", "")))
        yield from _walk_functions(value)
        for operator, _ in value.iter_references():
            yield from _stored_by(operator)


def _stored_by(operator: Any) -> Iterator[Place | None]:
    """Yield the places that a task of this package stores at, if the DAG's code names them."""
    kind = getattr(operator, "operator_class", type(operator))
    argument = getattr(kind, "stores_at", None)
    if argument is None:
        return
    if hasattr(operator, "partial_kwargs"):
        yield from _written_of_mapped(operator, argument)
    else:
        yield from operator.written_places.of(argument)


def _written_of_mapped(task: Any, argument: str) -> tuple[Place, ...]:
    """Return the places that a mapped task's argument names, in ``partial`` or in a literal list."""
    partial = getattr(task, "partial_kwargs", None)
    if partial is None:
        return ()
    if argument in partial:
        return _written(partial[argument])
    inputs = getattr(getattr(task, "expand_input", None), "value", None)
    return tuple(place for place in _walk_inputs(inputs, argument) if place is not None)


def _walk_inputs(inputs: object, argument: str) -> Iterator[Place | None]:
    """Yield the places that ``expand(argument=values)``, or ``expand_kwargs(rows)``, names in the code."""
    if isinstance(inputs, Mapping):
        yield from _walk(inputs.get(argument))
    elif isinstance(inputs, list | tuple):
        for row in inputs:
            if isinstance(row, Mapping):
                yield from _walk(row.get(argument))
    else:
        yield from _walk_functions(inputs)


def _walk_functions(value: object) -> Iterator[Place | None]:
    """Yield the places that the functions of ``xcom.map(function)`` name: they are the DAG's code."""
    for function in getattr(value, "callables", ()):
        if (code := getattr(function, "__code__", None)) is not None:
            yield from _walk_code(code)


def _walk_code(code: CodeType) -> Iterator[Place | None]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _walk_code(constant)
        elif isinstance(constant, str):
            yield place_of_code(constant + "{{")  # the function may go on with data


def _is_path(value: object) -> bool:
    return isinstance(value, PurePath) or (hasattr(value, "protocol") and hasattr(value, "path"))
