"""``@task.kling_storyboard``: a function says which shots, and one task buys and lands them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kling_airflow.airflow_compat import task_decorator_factory
from kling_airflow.decorators.function_task import FunctionTask
from kling_airflow.exceptions import task_errors
from kling_airflow.operators.storyboard import KlingStoryboardOperator

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context, TaskDecorator


class KlingStoryboardFunction(FunctionTask, KlingStoryboardOperator):
    """Buy and land all clips of the storyboard that a function returns, each once; return the report.

    :param python_callable: returns what ``KlingStoryboardOperator`` takes as ``storyboard``: a list of shots,
        or the address of a file.
    :param kwargs: arguments of ``KlingStoryboardOperator``.
    """

    template_fields: Sequence[str] = (
        "op_args",
        "op_kwargs",
        *(name for name in KlingStoryboardOperator.template_fields if name != "storyboard"),
    )
    template_fields_renderers = {"op_args": "py", "op_kwargs": "py"}  # noqa: RUF012 -- Airflow's own type
    custom_operator_name = "@task.kling_storyboard"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(storyboard=None, **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Call the function, and buy and land what it describes; return the report."""
        self._take(context, again=False)
        report: dict[str, Any] = super().execute(context)
        return report

    def execute_complete(
        self, context: Context, event: dict[str, Any] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Go on after a wait in the triggerer, as the operator does."""
        self._take(context, again=True)
        return super().execute_complete(context, event, **kwargs)

    def _take(self, context: Context, *, again: bool) -> None:
        if self.storyboard is not None:
            return
        self.storyboard = self.returned(context, again=again)
        if not isinstance(self.storyboard, bool | int | float) and self.storyboard:
            return
        with task_errors(self.log):
            raise self.refusal(
                context,
                f"returns {self.storyboard!r}; it must return a list of shots, or the address of a file.",
                again=again,
            )


def storyboard_task(
    python_callable: Callable[..., Any] | None = None, *, multiple_outputs: bool = False, **kwargs: Any
) -> TaskDecorator:
    """Make a task of a function: Airflow calls this as ``@task.kling_storyboard``.

    :param multiple_outputs: whether each part of the report becomes an XCom.
    :param kwargs: arguments of ``KlingStoryboardOperator``, and of any task.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=KlingStoryboardFunction,
        **kwargs,
    )
