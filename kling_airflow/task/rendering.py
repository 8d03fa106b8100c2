"""How templates of this package's operators are rendered: what the DAG file says is one, data is not."""

from __future__ import annotations

import inspect
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, cast

from kling_airflow.airflow_compat import BaseOperator, dag_of
from kling_airflow.errors import InvalidArgument
from kling_airflow.exceptions import airflow_errors

if TYPE_CHECKING:
    import jinja2

    from kling_airflow.airflow_compat import Context

_OF_THE_TASK: Final = frozenset(
    {"task_id", "dag", "task_group", "start_date", "end_date", "params", "_airflow_from_mapped"}
)
"""Arguments that Airflow adds when it makes the task of one map index."""

_NONE: Final = "\x00None\x00"
"""Stands for None in rendered text; no text of a user holds a NUL."""


class DataIsNoTemplate(BaseOperator):
    """An operator whose templates are what the DAG file says; text that reaches it as data is kept as it is.

    Airflow 3.3 renders the values of ``expand_kwargs(rows)`` after it has read the rows from an XCom
    (``airflow.sdk.definitions.mappedoperator``). A row with ``{{ conn.x.password }}`` would send that
    password to the queue as a prompt. Values of XComs that reach a task in any other way are not rendered.

    With ``render_template_as_native_obj`` an expression gives its object, as elsewhere. Text stays the text
    that it is: Airflow would read ``"Go"``, quotes included, as a Python literal and lose the quotes.

    A field whose template gives None, such as ``{{ params.x }}`` of an empty box in the trigger form, counts
    as not given: it takes the argument's default. None within a longer text is refused.
    """

    field_arguments: ClassVar[Mapping[str, str]] = {}
    """The argument's name of each field that is named otherwise."""

    limit_fields: ClassVar[Sequence[str]] = ("max_cost_usd",)
    """Fields in which a template without a value is no default: it would take a limit away."""

    _arguments: Mapping[str, Any] = {}
    _without_value: frozenset[str] = frozenset()
    _rendered: Mapping[str, Any] = {}

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep the arguments as they were given, before a constructor changes them."""
        made = super().__new__(cls)
        object.__setattr__(made, "_arguments", kwargs)
        return made

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render a template; one that is a single expression gives the expression's object under ``native``.

        :param content: what the DAG says: a template, or a collection that holds some.
        """
        if isinstance(content, str) and not content.endswith(tuple(self.template_ext)):
            env = jinja_env or self.get_template_env()
            value = _rendered(content, env, context)
            if value is None and not _is_native(env):
                self._without_value = self._without_value | {content}
                return str(None)
            return value
        if _is_written_for_group(content, context):
            content = content.resolve(context)
        return super().render_template(content, context, jinja_env, seen_oids)

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """Render the fields whose value the DAG wrote. Airflow calls this of the unmapped task, too."""
        if parent is not self:
            super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
            return
        # Airflow 3.0 names another copy of the task, whose `{{ task.clip.label }}` would not be rendered.
        cast("Any", context)["task"] = self
        written = self._written_in_dag(template_fields, context, jinja_env)
        # Airflow lists in seen_oids what it takes for data: objects, which a constructor may have replaced.
        before = {name: getattr(self, name, None) for name in self.template_fields if not self._has(name)}
        super()._do_render_template_fields(
            parent, [name for name in written if not self._has(name)], context, jinja_env, set()
        )
        for name, value in before.items():
            self._take_default(name, value)
        self._rendered = {name: getattr(self, name, None) for name in self.template_fields}

    def _has(self, name: str) -> bool:
        """Return whether a field holds what it was rendered to.

        ``dag.test()`` of Airflow 2 renders the same task once more when it resumes after a deferral
        (``airflow/models/dag.py``, ``_run_task``), and what the field then holds may be data.
        """
        return name in self._rendered and self._rendered[name] is getattr(self, name, None)

    def _take_default(self, name: str, written: object) -> None:
        """Give a field that has no value the default of its argument."""
        if isinstance(written, str) and written in self._without_value:
            setattr(self, name, None)
        if getattr(self, name, None) is not None:
            return
        if name in self.limit_fields:
            setattr(self, name, None if written is None else str(None))
        else:
            setattr(self, name, _default(type(self), name))

    def _written_in_dag(
        self, fields: Iterable[str], context: Context, jinja_env: jinja2.Environment
    ) -> list[str]:
        """Return the fields whose value the DAG file holds.

        A field that a subclass's constructor made of several arguments is left out if data with a brace is
        among them: what is rendered must not depend on what the data says.
        """
        # Airflow puts the operator that was mapped into the DAG, and not the task of one map index.
        mapped = tasks_of_dag(self).get(self.task_id)
        if getattr(mapped, "expand_input", None) is None:
            return list(fields)
        data = _data(self._arguments, mapped, map_index_of(context))
        marked = _marked(list(data.values()), jinja_env)
        written = self._arguments.keys() | _default_args(mapped)
        names = {field: self.field_arguments.get(field, field) for field in fields}
        return [
            field for field, name in names.items() if name not in data and (name in written or not marked)
        ]


def _default_args(mapped: Any) -> set[str]:
    """Return the arguments that the DAG, or a task group around a mapped operator, gives to all its tasks.

    In Airflow 2 only the operator that was mapped knows its group, and the task of one map index does not.
    """
    found: set[str] = set(getattr(getattr(mapped, "dag", None), "default_args", None) or {})
    group = getattr(mapped, "task_group", None)
    return found | set(getattr(group, "default_args", None) or {})


def tasks_of_dag(task: BaseOperator) -> Mapping[str, Any]:
    """Return the tasks of a task's DAG by their ids, mapped operators among them; none without a DAG."""
    dag = dag_of(task)
    return dag.task_dict if dag is not None else {}


def _rendered(text: str, env: jinja2.Environment, context: Context) -> Any:
    """Render a template to text, or to the object of its only expression where the environment is native.

    The context is not passed through ``Template.render``, which reads every lazy value of it.

    :return: None if the only expression gives None.
    :raises InvalidArgument: if an expression within a longer text gives None.
    """
    import jinja2

    template = env.overlay(finalize=_mark_none).from_string(text)
    # Airflow 2's context has no copy(), which Jinja needs to name the line of a template's error.
    scope: Any = ChainMap({}, cast("Any", context))
    for name, value in template.globals.items():
        if name not in scope:
            scope[name] = value
    try:
        made = env.context_class(env, scope, template.name, template.blocks)
        parts: list[Any] = list(template.root_render_func(made))
        if len(parts) == 1 and not isinstance(parts[0], jinja2.Undefined):
            return None if parts[0] == _NONE else parts[0]
        rendered = "".join(map(str, parts))
    except Exception:
        env.handle_exception()  # names the template's line
    if _NONE in rendered and rendered != _NONE:
        with airflow_errors():
            raise InvalidArgument(
                f"A template has an expression without a value: {text!r}.",
                todo="Give the value, or say in the template what to write without it: {{ x or '' }}.",
            )
    return None if rendered == _NONE else rendered


def _mark_none(value: Any) -> Any:
    return _NONE if value is None else value


def _is_native(env: jinja2.Environment) -> bool:
    from jinja2.nativetypes import NativeEnvironment

    return isinstance(env, NativeEnvironment)


def _default(kind: type[Any], name: str) -> Any:
    """Return the default of a constructor's argument; None if it has none."""
    for base in kind.__mro__:
        constructor: Any = vars(base).get("__init__")
        parameter = inspect.signature(constructor).parameters.get(name) if constructor else None
        if parameter is not None and parameter.default is not inspect.Parameter.empty:
            return parameter.default
    return None


def map_index_of(context: Context) -> int:
    """Return the map index of the running task instance, -1 if it isn't mapped."""
    index = context["ti"].map_index
    return -1 if index is None else index


def _data(given: Mapping[str, Any], mapped: Any, map_index: int) -> dict[str, Any]:
    """Return the arguments of one map index that were read from data, an XCom for instance.

    :param given: all arguments.
    :param mapped: the operator that was mapped.
    """
    partial = mapped.partial_kwargs
    row = {
        name: value
        for name, value in given.items()
        if name not in _OF_THE_TASK and not (name in partial and value is partial[name])
    }
    inputs = mapped.expand_input
    return {name: value for name, value in row.items() if not is_written(inputs, name, map_index)}


def is_written(inputs: Any, name: str, map_index: int) -> bool:
    """Return whether an argument of ``expand`` or ``expand_kwargs`` stands in the DAG file."""
    value = inputs.value
    if isinstance(value, Mapping):  # expand(name=values)
        return isinstance(value.get(name), Mapping | Sequence)
    # expand_kwargs(rows)
    return isinstance(value, Sequence) and isinstance(value[map_index], Mapping)


def _is_written_for_group(content: Any, context: Context) -> bool:
    """Return whether an argument is that of a mapped task group, and its values stand in the DAG file."""
    inputs, name = getattr(content, "_input", None), getattr(content, "_key", None)
    if inputs is None or not isinstance(name, str) or not hasattr(inputs, "value"):
        return False
    return is_written(inputs, name, map_index_of(context))


def _marked(value: Any, env: jinja2.Environment) -> bool:
    """Return whether data holds a character that a template's marks begin with."""
    if isinstance(value, str):
        marks = (env.variable_start_string, env.block_start_string, env.comment_start_string)
        return any(mark[0] in value for mark in marks)
    if isinstance(value, Mapping):
        return any(_marked(part, env) for pair in value.items() for part in pair)
    return isinstance(value, list | tuple | set) and any(_marked(part, env) for part in value)
