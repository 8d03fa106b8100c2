"""What is wrong with a mapped task, found when the DAG is parsed: shots that would overwrite one another.

A place that holds a template is judged when the task runs: see :mod:`kling_airflow.task.mapped_destination`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

from kling_airflow.airflow_compat import BaseOperator
from kling_airflow.errors import InvalidArgument
from kling_airflow.exceptions import airflow_errors
from kling_airflow.task.literals import ChecksLiterals

if TYPE_CHECKING:
    from airflow.sdk.definitions.mappedoperator import OperatorPartial


class CheckedWhenMapped(ChecksLiterals):
    """An operator that looks at what it is mapped over when the DAG is parsed."""

    mapped_trigger_rule: ClassVar[str | None] = None
    """The trigger rule of a mapped task that names none. With ``all_done`` one failed shot doesn't hold up
    the others, and the map index of the failed shot fails with the same words."""

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Return what ``expand`` and ``expand_kwargs`` are called of, as Airflow does."""
        cls.check_mapped(kwargs, None)
        made = super().partial(**kwargs)
        made._expand_called = True  # noqa: SLF001 -- else it warns that it was never mapped
        if cls.mapped_trigger_rule and "trigger_rule" not in kwargs:
            rule = made.kwargs.get("trigger_rule", "all_success")
            made.kwargs["trigger_rule"] = cls.mapped_trigger_rule if rule == "all_success" else rule
        kind: Any = type(made)
        checked: OperatorPartial = _checked(kind)(
            operator_class=made.operator_class, kwargs=made.kwargs, params=made.params
        )
        return checked

    @classmethod
    def check_mapped(cls, partial: Mapping[str, Any], mapped: Any) -> None:
        """Refuse what is wrong whatever the run will bring.

        :param partial: what ``partial`` was given.
        :param mapped: what ``expand`` was given, by argument; or the rows of ``expand_kwargs``; None if that
            isn't known yet.
        """


def refuse_shared_place(field: str, partial: Mapping[str, Any], mapped: object) -> None:
    """Refuse a mapped task whose map indexes would all write to one place.

    :param field: the argument that names the place.
    :param partial: what ``partial`` was given.
    :param mapped: what ``expand`` or ``expand_kwargs`` was given.
    :raises InvalidArgument: naming the place, and what to add to its name.
    """
    with airflow_errors():
        if _is_rows(mapped):
            _refuse_in_rows(field, partial, mapped)
        elif isinstance(mapped, Mapping) and field in mapped:
            _refuse_in_combinations(field, mapped)
        elif field in partial and _count(mapped) != 1 and is_one_place(partial[field]):
            raise _shared(field, partial[field])


def refuse_shared_place_in_group(field: str, task: BaseOperator) -> None:
    """Refuse, in a task of a mapped task group, a place that is the same for every map index.

    :raises InvalidArgument: naming the place, and what to add to its name.
    """
    value = getattr(task, field)
    if getattr(task, "task_group", None) is None or hasattr(value, "iter_references"):
        return
    for group in task.iter_mapped_task_groups():
        if _count(getattr(group, "_expand_input", None)) != 1 and is_one_place(value):
            with airflow_errors():
                raise _shared(field, value)


def is_one_place(value: object) -> bool:
    """Return whether a value is surely the same for every map index: it holds no template, and no XCom."""
    return not hasattr(value, "iter_references") and "{" not in str(value)


def _refuse_in_combinations(field: str, mapped: Mapping[str, Any]) -> None:
    """``expand`` makes every combination, so that each place is used by each value of the other arguments."""
    others = {name: values for name, values in mapped.items() if name != field}
    places = mapped[field]
    literal = places if isinstance(places, Sequence) and not isinstance(places, str) else []
    if others and _count(others) != 1 and all(is_one_place(place) for place in literal):
        raise InvalidArgument(
            f"`expand` is given `{field}` beside {', '.join(f'`{name}`' for name in others)}, and makes every"
            " combination of them: each place would be written several times, and only the last one stays.",
            todo="Give one row for each shot: `expand_kwargs([{...}, ...])`, or `a.output.zip(b.output)`.",
        )
    _refuse_repeated(field, literal)


def _refuse_in_rows(field: str, partial: Mapping[str, Any], rows: Sequence[Any]) -> None:
    written = [row for row in rows if isinstance(row, Mapping)]
    _refuse_repeated(field, [row[field] for row in written if field in row])
    if field in partial and len(rows) > 1 and is_one_place(partial[field]):
        raise _shared(field, partial[field])


def _refuse_repeated(field: str, places: Sequence[Any]) -> None:
    seen: set[str] = set()
    for place in places:
        if is_one_place(place) and str(place) in seen:
            raise _shared(field, place)
        seen.add(str(place))


def _shared(field: str, place: object) -> InvalidArgument:
    return InvalidArgument(
        f"`{field}` is {str(place)!r} for every instance of a mapped task: the shots would overwrite one"
        " another, and each clip that is bought would be one of the last.",
        todo="Add `{{ ti.map_index }}`, or the shot's own name, to the file's name.",
    )


def _is_rows(mapped: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(mapped, Sequence) and not isinstance(mapped, str)


def _count(mapped: object) -> int | None:
    """Return how many map indexes there will be; None if only the run can tell."""
    mapped = getattr(mapped, "value", mapped)
    if _is_rows(mapped):
        return len(mapped)
    if not isinstance(mapped, Mapping):
        return None
    count = 1
    for values in mapped.values():
        if not isinstance(values, Mapping | Sequence):
            return None
        count *= len(values)
    return count


@cache
def _checked(kind: type[Any]) -> type[Any]:
    """Return the class of what ``partial`` returns, with the operator's own check before it expands.

    :param kind: Airflow's class, which stands in another place in each version of Airflow.
    """

    class CheckedPartial(kind):  # type: ignore[misc]
        def expand(self, **mapped: Any) -> Any:
            self._expand_called = True
            self.operator_class.check_mapped(self.kwargs, mapped)
            self.operator_class.check_mapped_literals(self.kwargs, mapped)
            return super().expand(**mapped)

        def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> Any:
            self._expand_called = True
            self.operator_class.check_mapped(self.kwargs, kwargs)
            self.operator_class.check_mapped_literals(self.kwargs, kwargs)
            return super().expand_kwargs(kwargs, strict=strict)

    return CheckedPartial
