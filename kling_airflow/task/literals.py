"""What is wrong in the literals of a DAG file, said when the DAG is parsed: before a run and its money."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from kling_airflow.airflow_compat import dag_of
from kling_airflow.arguments import is_literal
from kling_airflow.exceptions import airflow_errors
from kling_airflow.task.rendering import DataIsNoTemplate

_PACKAGE: Final = __name__.partition(".")[0]
_MARKS: Final = ("variable_start_string", "block_start_string", "comment_start_string")


class Literals(dict[str, Any]):
    """The arguments of a task whose values are final; arguments with templates and XComs are left out."""

    def read(self, name: str, reader: Callable[[str, Any], object], *, none: bool = False) -> None:
        """Read one argument, if it is a literal, so that a wrong one raises.

        :param none: whether None, too, is read; elsewhere None means that the argument takes its default.
        """
        if name in self and (none or self[name] is not None):
            reader(name, self[name])


class ChecksLiterals(DataIsNoTemplate):
    """An operator that checks its literals when the DAG is parsed, those of literal map indexes as well."""

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse what is wrong whatever the run will bring.

        :param given: the arguments that are literals; of others nothing is known yet.
        :raises InvalidArgument: naming the argument and its value.
        """

    def check_own_literals(self, of: type[ChecksLiterals] | None = None) -> None:
        """Check the arguments of this operator; an ``__init__`` calls this at its end.

        :param of: the class whose arguments are checked; None for all of the operator's.

        One map index of a mapped task isn't checked here: its rows may be data, whose errors belong to the
        run, where they name what was bought before.
        """
        if is_mapped_index(self):
            return
        given = {self.field_arguments.get(name, name): value for name, value in vars(self).items()}
        with airflow_errors():
            (of or type(self)).check_literals(literals(given, dag_of(self)))

    @classmethod
    def check_mapped_literals(cls, partial: Mapping[str, Any], mapped: object) -> None:
        """Check what ``partial``, ``expand`` and ``expand_kwargs`` were given, row by row.

        A subclass with an ``__init__`` of its own is left out: it may make other arguments of those.

        :param mapped: what ``expand`` was given, by argument; the rows of ``expand_kwargs``; None before.
        """
        if not _has_own_constructor(cls):
            return
        dag = partial.get("dag")
        defaults = getattr(dag, "default_args", None) or {}
        of_group = getattr(partial.get("task_group"), "default_args", None) or {}
        known = {**_defaults(cls), **defaults, **of_group, **partial}
        with airflow_errors():
            # A row may give what `partial` leaves out, and nothing that `partial` gives.
            cls.check_literals(literals(partial, dag))
            for row in _rows(mapped):
                cls.check_literals(literals({**known, **row}, dag))


def literals(given: Mapping[str, Any], dag: Any) -> Literals:
    """Return the arguments that are literals.

    In a DAG whose templates have other marks than Jinja's, any text may hold a template.
    """
    marks = getattr(dag, "jinja_environment_kwargs", None) or {}
    other_marks = any(name in marks for name in _MARKS)
    return Literals(
        (name, value)
        for name, value in given.items()
        if is_literal(value) and not (other_marks and _has_text(value))
    )


def is_mapped_index(task: object) -> bool:
    """Return whether a task is one map index of a mapped task, made from its row when it runs."""
    return bool(getattr(task, "_BaseOperator__from_mapped", False))


class _Unknown:
    """An argument that only the run knows: not a literal."""


def _rows(mapped: object) -> Iterator[Mapping[str, Any]]:
    """Return what is known of each row when the DAG is parsed; nothing of a row that an XCom will bring."""
    if isinstance(mapped, Mapping):  # expand(name=values): every combination, so each value by itself
        unknown = dict.fromkeys(mapped, _Unknown())
        for name, values in mapped.items():
            if isinstance(values, Sequence) and not isinstance(values, str):
                for value in values:
                    yield {**unknown, name: value}
        if not mapped:
            yield {}
    elif isinstance(mapped, Sequence) and not isinstance(mapped, str):  # expand_kwargs(rows)
        for row in mapped:
            if isinstance(row, Mapping):
                yield row


def _has_text(value: object) -> bool:
    return isinstance(value, str | Mapping | list | tuple)


def _has_own_constructor(kind: type[Any]) -> bool:
    """Return whether the class is built by this package's own ``__init__``."""
    maker = next(base for base in kind.__mro__ if "__init__" in vars(base))
    return maker.__module__.partition(".")[0] == _PACKAGE


@cache
def _defaults(kind: type[Any]) -> dict[str, Any]:
    """Return the defaults of a constructor's arguments, those of the package's base classes included."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.partition(".")[0] == _PACKAGE and "__init__" in vars(base):
            constructor: Any = vars(base)["__init__"]
            for name, parameter in inspect.signature(constructor).parameters.items():
                if parameter.default is not inspect.Parameter.empty:
                    found[name] = parameter.default
    return found
