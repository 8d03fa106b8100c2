"""A task whose function says what to buy, as safe as the operator below it."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.airflow_compat import DecoratedOperator, determine_kwargs
from kling_airflow.errors import InvalidArgument, Money
from kling_airflow.task.rendering import is_written, map_index_of, tasks_of_dag

if TYPE_CHECKING:
    from collections.abc import Iterable

    import jinja2

    from kling_airflow.airflow_compat import Context

ARGUMENTS_KEY: Final = "arguments"
"""The XCom that holds what the function has returned, for the same try after a deferral."""


class FunctionTask(DecoratedOperator):
    """What tasks made of a function share; a subclass names the operator after this class.

    The function is called once in each try, on the worker. What it returned is kept in an XCom, so that the
    task that comes back from the triggerer goes on with the same. A value with a signed address, or one that
    is no JSON, is not kept: then the function is called again, and must return the same.
    """

    op_args: Any
    op_kwargs: Any
    python_callable: Any
    multiple_outputs: bool

    def execute(self, context: Context) -> Any:
        """Run the operator's own ``execute``.

        What Airflow's class does around it needs in 3.0 an ``xcom_push`` that only its own operators have.
        """
        from kling_airflow.airflow_compat import Asset

        given = (*self.op_args, *self.op_kwargs.values())
        self.inlets.extend(each for each in given if isinstance(each, Asset))
        operator: Any = super(DecoratedOperator, self)
        return operator.execute(context)

    def returned(self, context: Context, *, again: bool) -> Any:
        """Return what the function returns, or what it has returned earlier in this try.

        :param again: whether the task comes back from the triggerer.
        """
        ti: Any = context["ti"]
        if again:
            index = ti.map_index
            kept = ti.xcom_pull(task_ids=ti.task_id, key=ARGUMENTS_KEY, map_indexes=index)
            if kept is not None:
                return kept
        with warnings.catch_warnings():  # Airflow 2.11 warns of names in its context that go
            warnings.simplefilter("ignore")
            scope: Any = {**context, **self.op_kwargs}
            value = self.python_callable(
                *self.op_args, **determine_kwargs(self.python_callable, self.op_args, scope)
            )
        if value is not None and _may_be_kept(value):
            ti.xcom_push(key=ARGUMENTS_KEY, value=value)
        return value

    def refusal(self, context: Context, text: str, *, again: bool) -> InvalidArgument:
        """Return the error of a function that returns what can't be used.

        :param text: what is wrong.
        :param again: whether the task comes back from the triggerer.
        """
        from kling_airflow.task.tries import Tries

        first = Tries.of(context, retries=self.retries or 0).is_first and not again
        return InvalidArgument(
            f"`{self.python_callable.__name__}` {text}",
            money=Money.UNSPENT if first else Money.IN_LEDGER,
            todo="Correct what the function returns, then clear the task.",
        )

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """Render, of a mapped task's arguments for its function, those that the DAG has written."""
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        mapped: Any = tasks_of_dag(self).get(self.task_id)
        inputs = getattr(mapped, "op_kwargs_expand_input", None)
        if parent is not self or inputs is None:
            return
        partial, index = mapped.partial_kwargs.get("op_kwargs") or {}, map_index_of(context)
        self.op_kwargs = {
            name: self.render_template(value, context, jinja_env, set())
            if value is partial.get(name, _ABSENT) or is_written(inputs, name, index)
            else value
            for name, value in self.op_kwargs.items()
        }


_ABSENT: Final = object()
_MAX_KEPT: Final = 1_000_000
"""Characters of what is kept in an XCom; a picture as Base64 is longer than a storyboard."""


def _may_be_kept(value: object) -> bool:
    """Return whether a value is short JSON, and holds no address that is signed or carries a key."""
    from kling_airflow.redaction import without_signatures

    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return value is not None and len(text) <= _MAX_KEPT and without_signatures(text) == text
