"""The border to Airflow: who retries, who doesn't, and that nothing is lost on the way."""

from __future__ import annotations

import re

import pytest

from kling_airflow import errors, exceptions
from kling_airflow.exceptions import airflow_errors, as_airflow
from tests.airflow_versions import AirflowException, AirflowFailException


def family(root: type[errors.KlingError]) -> list[type[errors.KlingError]]:
    """Return a class of ``kling_airflow.errors`` and all that derive from it there, at any depth."""
    children = [child for child in root.__subclasses__() if child.__module__ == errors.__name__]
    return [root, *(kind for child in children for kind in family(child))]


PUBLIC = [kind for kind in family(errors.KlingError) if not kind.__name__.startswith("_")]


def test_the_tree_at_the_top_of_the_module_is_the_whole_family() -> None:
    drawn = re.findall(r"^[ │├└─]*([A-Z][A-Za-z]+)", (errors.__doc__ or "").split("::")[1], re.MULTILINE)
    assert set(drawn) >= {kind.__name__ for kind in PUBLIC}


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_every_error_has_a_twin_with_the_same_name_and_text(kind: type[errors.KlingError]) -> None:
    error = kind("what happened")
    twin = as_airflow(error)
    assert type(twin).__mro__[1] is kind
    assert type(twin).__name__ == kind.__name__
    assert isinstance(twin, AirflowException)
    assert str(twin) == str(error)
    assert twin.__dict__ == error.__dict__


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (errors.InvalidArgument("x"), False),
        (errors.Unauthorized("x"), False),
        (errors.InsufficientCredits("x"), False),
        (errors.Rejected("x"), False),
        (errors.WrongService("x"), False),
        (errors.NotFound("x"), False),
        (errors.UnresolvedSubmission("x"), False),
        (errors.GenerationFailed("x"), False),
        (errors.GenerationFailed("x", retryable=True), True),
        (errors.NotAccepted("x"), True),
        (errors.AmbiguousSubmission("x"), True),
        (errors.Unreachable("x"), True),
        (errors.GenerationTimeout("x"), True),
        (errors.InvalidFrame("x"), False),
        (errors.InvalidClip("x"), True),
        (errors.DownloadFailed("x"), True),
        (errors.DownloadFailed("x", retryable=False), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_errors_that_a_retry_can_mend_are_retried(error: Exception, retried: bool) -> None:
    assert isinstance(as_airflow(error), AirflowFailException) is not retried


def test_the_text_says_what_happened_what_it_cost_and_what_to_do() -> None:
    with pytest.raises(exceptions.NotAccepted) as caught, airflow_errors():
        raise errors.NotAccepted("Busy.", retry_after=7)
    assert str(caught.value) == "Busy. No money was spent. It is safe to send again."
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "secret", ["X-Amz-Signature=TOPSECRET", "sig=TOPSECRET&se=2027", "Signature=TOPSECRET", "token=TOPSECRET"]
)
def test_no_error_shows_the_signature_of_an_address(kind: type[errors.KlingError], secret: str) -> None:
    error = kind(f"`take` is 'https://bucket/frame.png?{secret}'; it must be a whole number.")
    for text in (str(error), error.what, repr(as_airflow(error)), str(error.about("a"))):
        assert "TOPSECRET" not in text
    assert "https://bucket/frame.png?" in str(error)


def test_an_error_crosses_the_border_once() -> None:
    with pytest.raises(exceptions.Rejected) as caught, airflow_errors(), airflow_errors():
        raise errors.Rejected("No.")
    assert as_airflow(caught.value) is caught.value


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(KeyError), airflow_errors():
        raise KeyError("x")
