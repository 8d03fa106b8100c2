"""``@task.kling_image_to_video``: a function says which clip, and the task buys it once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.airflow_compat import dag_of, task_decorator_factory
from kling_airflow.decorators.function_task import FunctionTask
from kling_airflow.exceptions import airflow_errors, task_errors
from kling_airflow.operators.base import GenerationOperator
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.task.literals import is_mapped_index, literals

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context, TaskDecorator
    from kling_airflow.task.literals import ChecksLiterals

_COMMON: Final = frozenset(GenerationOperator.template_fields)
RETURNED: Final = (
    *(name for name in KlingImageToVideoOperator.template_fields if name not in _COMMON),
    "label",
    "take",
)
"""The arguments that the function may return."""


class KlingImageToVideoFunction(FunctionTask, KlingImageToVideoOperator):
    """Buy the clip that a function describes, once, however often the task runs; return the clip.

    :param python_callable: returns a dict of arguments of ``KlingImageToVideoOperator``, which go before
        those of the decorator, None meaning "not given"; or a text, which is the prompt.
    :param kwargs: arguments of ``KlingImageToVideoOperator``. ``wait_for_completion`` is True here.
    """

    template_fields: Sequence[str] = ("op_args", "op_kwargs", *KlingImageToVideoOperator.template_fields)
    template_fields_renderers = {"op_args": "py", "op_kwargs": "py"}  # noqa: RUF012 -- Airflow's own type
    custom_operator_name = "@task.kling_image_to_video"

    _again = False

    def __init__(self, *, image: Any = None, wait_for_completion: bool | str = True, **kwargs: Any) -> None:
        super().__init__(image=image, wait_for_completion=wait_for_completion, **kwargs)

    def check_own_literals(self, of: type[ChecksLiterals] | None = None) -> None:
        """Check what the decorator was given; the function gives the rest when the task runs."""
        if is_mapped_index(self):
            return
        given = {name: value for name, value in self._arguments.items() if name != "python_callable"}
        with airflow_errors():
            kind = KlingImageToVideoOperator if of is None else of
            kind.check_literals(literals(given, dag_of(self)))

    def execute(self, context: Context) -> Any:
        """Call the function, submit what it describes, wait for it, and return the clip."""
        with task_errors(self.log):
            self._prepare(context)
        return super().execute(context)

    def resume_submission(self, context: Context, *args: Any, **kwargs: Any) -> Any:
        """Submit, as the operator does, at first or after a pause that gave the worker slot back."""
        self._prepare_again(context)
        return super().resume_submission(context, *args, **kwargs)

    def execute_complete(self, context: Context, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read the trigger's event, as the operator does."""
        self._prepare_again(context)
        return super().execute_complete(context, *args, **kwargs)

    def before_submission(self, context: Context) -> None:
        """Take the arguments that the function returns."""
        super().before_submission(context)
        value = self.returned(context, again=self._again)
        found: Any = {"prompt": value} if isinstance(value, str) else value
        if not isinstance(found, Mapping) or not found:
            raise self._refusal(
                context,
                f"returns a {type(value).__name__}; it must return a dict of arguments, or a text, which is"
                " the prompt.",
            )
        unknown = sorted(str(name) for name in found if name not in RETURNED)
        if unknown:
            raise self._refusal(
                context,
                f"returns {', '.join(f'`{name}`' for name in unknown)}; it may return"
                f" {', '.join(f'`{name}`' for name in RETURNED)}.",
            )
        fields = {argument: field for field, argument in self.field_arguments.items()}
        for name in RETURNED:
            given = found.get(name)
            if given is None:  # not given: what the decorator has, a price limit among it, stays
                continue
            setattr(self, fields.get(name, name), given)
            if name in self._written:
                self._written[name] = given

    def _prepare_again(self, context: Context) -> None:
        self._again = self._again or not self._prepared
        with task_errors(self.log):
            self._prepare(context)

    def _refusal(self, context: Context, text: str) -> Exception:
        return self.refusal(context, text, again=self._again)


def image_to_video_task(
    python_callable: Callable[..., Any] | None = None, *, multiple_outputs: bool = False, **kwargs: Any
) -> TaskDecorator:
    """Make a task of a function: Airflow calls this as ``@task.kling_image_to_video``.

    :param multiple_outputs: whether each field of the clip becomes an XCom, for ``clip()["video_url"]``.
    :param kwargs: arguments of ``KlingImageToVideoOperator``, and of any task.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=KlingImageToVideoFunction,
        **kwargs,
    )
