"""The operator that asks a person about takes, with Airflow's human in the loop (Airflow 3.1 and later)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kling_airflow.addresses import is_http, shown
from kling_airflow.airflow_compat import approval_operator
from kling_airflow.arguments import name_or_none, number_or_none, read_structure, switch_or_none, text_or_none
from kling_airflow.errors import InvalidArgument, KlingError
from kling_airflow.exceptions import airflow_errors
from kling_airflow.hooks.allowed_addresses import SOURCES, confine
from kling_airflow.hooks.storage import StoredObject
from kling_airflow.task.operator import KlingTask
from kling_airflow.task.review import review_text

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context
    from kling_airflow.task.literals import Literals

_Approval: Any = approval_operator()
_SIGNED_SECONDS = 86_400


class ApproveTakesOperator(_Approval, KlingTask):  # type: ignore[misc]
    """Ask a person to approve takes before the DAG goes on; the sheet and the price are in the question.

    The person sees it under *Required Actions* in Airflow's UI. *Approve* goes on; *Reject* skips the tasks
    behind this one, or fails with ``fail_on_reject=True``. Rejected takes stay where they are, and nothing is
    bought by a rejection. While the task waits, no worker slot is used.

    All other arguments are those of Airflow's ``ApprovalOperator``: ``response_timeout``, ``defaults``,
    ``assigned_users``, ``notifiers``, ``fail_on_reject`` ...

    :param takes: what ``CheckTakesOperator`` returned, or its ``takes``; templated, as are all parameters
        here.
    :param next_usd: what the tasks behind an approval will cost, US dollars; None if they cost nothing.
    :param sheet_conn_id: connection of the sheet's store, which signs an address for a day, so that the
        reader's browser shows the sheet. Whoever may read the question can open it.
    :param skip_review: whether to go on without asking, for instance ``"{{ params.skip_review }}"``.
    :param subject: the question's headline.
    :param body: text above the sheet; Markdown.
    """

    template_fields: Sequence[str] = (
        "subject",
        "body",
        "takes",
        "next_usd",
        "sheet_conn_id",
        "skip_review",
    )
    ui_color = "#fef3c7"

    def __init__(
        self,
        *,
        takes: Any,
        next_usd: float | str | None = None,
        sheet_conn_id: str | None = None,
        skip_review: bool | str | None = False,
        subject: str = "Are these takes good?",
        body: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(subject=subject, body=body, **kwargs)
        self.takes = takes
        self.next_usd = next_usd
        self.sheet_conn_id = sheet_conn_id
        self.skip_review = skip_review
        self.check_own_literals()

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse what is wrong whatever the templates will say."""
        given.read("takes", lambda _, value: _report(value), none=True)
        given.read("next_usd", number_or_none)
        given.read("sheet_conn_id", name_or_none)
        given.read("skip_review", switch_or_none)

    def execute(self, context: Context) -> Any:
        """Ask, or go on if the question is skipped."""
        with airflow_errors():
            if switch_or_none("skip_review", self.skip_review):
                self.log.info("The review is skipped (`skip_review`). The takes count as approved.")
                return {
                    "chosen_options": [self.APPROVE],
                    "params_input": {},
                    "responded_at": None,
                    "responded_by_user": None,
                }
            written: Any = getattr(self, "body", None)
            self.body = "\n\n".join(part for part in (text_or_none(written), self._question()) if part)
        return super().execute(context)

    def _question(self) -> str:
        report = _report(self.takes)
        return review_text(
            report["takes"],
            sheet=self._sheet(text_or_none(report.get("sheet_uri"))),
            cost_usd=number_or_none("takes['cost_usd']", report.get("cost_usd")),
            next_usd=number_or_none("next_usd", self.next_usd),
        )

    def _sheet(self, uri: str | None) -> str | None:
        """Return an address of the sheet that a browser can open, or its own if the store signs none."""
        if uri is None or is_http(uri):
            return uri
        try:
            confine(uri, "takes['sheet_uri']", SOURCES, ())
            stored = StoredObject(uri, conn_id=text_or_none(self.sheet_conn_id), field="takes['sheet_uri']")
            return stored.sign(_SIGNED_SECONDS)
        except KlingError as error:
            self.log.info("The sheet is shown by its address alone: %s", error.what)
            return uri


def _report(given: object) -> Mapping[str, Any]:
    """Return what ``CheckTakesOperator`` returned; of a bare list of takes, a report of these."""
    given = read_structure(given)
    report: Mapping[str, Any] = given if isinstance(given, Mapping) else {"takes": given}
    takes = report.get("takes")
    if (
        isinstance(takes, str)
        or not isinstance(takes, Sequence)
        or not all(isinstance(take, Mapping) for take in takes)
    ):
        raise InvalidArgument(
            f"`takes` is {shown(given)!r}; it must be what CheckTakesOperator returned, or its `takes`."
        )
    return report
