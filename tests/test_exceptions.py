"""The border to Airflow: who retries, who doesn't, and that nothing is lost on the way."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from kling_airflow import errors as gmi
from kling_airflow import exceptions
from kling_airflow.exceptions import airflow_errors, as_airflow
from kling_airflow.media import errors as media


def leaves(root: type[Exception]) -> list[type[Exception]]:
    return [
        kind
        for child in root.__subclasses__()
        if child.__module__.startswith("kling_airflow.")
        for kind in [child]
        if child.__module__ != exceptions.__name__
    ]


@pytest.mark.parametrize(
    "kind", [*leaves(gmi.GMIError), *leaves(media.MediaError)], ids=lambda kind: kind.__name__
)
def test_every_error_has_a_twin_with_the_same_text(kind: type[Exception]) -> None:
    error = kind("what happened")
    twin = as_airflow(error)
    assert isinstance(twin, kind)
    assert isinstance(twin, AirflowException)
    assert str(twin) == str(error)
    assert twin.__dict__ == error.__dict__


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (gmi.InvalidArgument("x"), False),
        (gmi.Unauthorized("x"), False),
        (gmi.InsufficientCredits("x"), False),
        (gmi.Rejected("x"), False),
        (gmi.WrongService("x"), False),
        (gmi.NotFound("x"), False),
        (gmi.UnresolvedSubmission("x"), False),
        (gmi.GenerationFailed("x"), False),
        (gmi.GenerationFailed("x", retryable=True), True),
        (gmi.NotAccepted("x"), True),
        (gmi.AmbiguousSubmission("x"), True),
        (gmi.Unreachable("x"), True),
        (gmi.GenerationTimeout("x"), True),
        (media.InvalidFrame("x"), False),
        (media.InvalidClip("x"), True),
        (media.DownloadFailed("x"), True),
        (media.DownloadFailed("x", retryable=False), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_a_retry_can_mend_is_retried(error: Exception, retried: bool) -> None:
    assert isinstance(as_airflow(error), AirflowFailException) is not retried


def test_the_text_says_what_happened_what_it_cost_and_what_to_do() -> None:
    with pytest.raises(exceptions.NotAccepted) as caught, airflow_errors():
        raise gmi.NotAccepted("Busy.", retry_after=7)
    assert str(caught.value) == "Busy. No money was spent. It is safe to send again."
    assert caught.value.retry_after == 7


def test_an_error_crosses_the_border_once() -> None:
    with pytest.raises(exceptions.Rejected) as caught, airflow_errors(), airflow_errors():
        raise gmi.Rejected("No.")
    assert as_airflow(caught.value) is caught.value


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(KeyError), airflow_errors():
        raise KeyError("x")
