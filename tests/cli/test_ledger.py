from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.__main__ import main
from kling_airflow.cli import ledger as ledger_command
from kling_airflow.cli.ledger_tables import digits
from kling_airflow.errors import Fenced
from kling_airflow.submission.object_store import ObjectStoreLedger
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_key import TaskKey

ONE = TaskKey("rockets", "manual__2026-11-23T05:00:00+00:00", "submit")
TWO = TaskKey("rockets", "manual__2026-11-23T05:00:00+00:00", "clips.submit", 7)
OTHER = TaskKey("comets", "scheduled__2026-11-22T00:00:00+00:00", "submit")
PRINT = "f" * 64
AT = 1_795_000_000.0
SENT = "2026-11-18 11:06:40"


def ledger(root: Path, key: TaskKey = ONE, deployment: str = "prod") -> ObjectStoreLedger:
    it = ObjectStoreLedger(root, key, deployment=deployment, by="try 1", now=lambda: AT)
    it.read(PRINT, 1)
    return it


def sending() -> SubmissionRecord:
    return SubmissionRecord(PRINT, 1, "kling-v3-image-to-video", State.NOT_SENT).sending(
        now=AT, within=180, marker="https://p/f.png", frames={"image": "https://p/f.png"}
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One order whose answer was lost, one that was submitted, one that was refused."""
    ledger(tmp_path, ONE).write(sending())
    two = ledger(tmp_path, TWO)
    two.write(sending())
    two.write(sending().submitted("r-2", now=AT + 5))
    two.claim("r-2", two.owner(PRINT, 1))
    other = ledger(tmp_path, OTHER)
    other.write(sending())
    other.write(sending().not_sent("429: slow down"))
    return tmp_path


def run(root: Path, *arguments: str) -> int:
    place = ["--ledger", f"file://{root}", "--deployment", "prod"]
    return main(["ledger", arguments[0], *place, *arguments[1:]])


def order(key: TaskKey) -> str:
    return key.order(PRINT, 1)


def read(root: Path, key: TaskKey) -> SubmissionRecord:
    record = ObjectStoreLedger(root, key, deployment="prod").read(PRINT, 1)
    assert record is not None
    return record


def files(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_list_shows_how_far_each_order_has_come(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[0].split()) == "ORDER STATE SENT (UTC) POSTS REQUEST MODEL DAG RUN TASK"
    cells = [line.split() for line in lines[1:]]
    model = "kling-v3-image-to-video"
    date, hour = SENT.split()
    assert cells == [
        [order(OTHER)[:8], "not_sent", date, hour, "1", model, "comets", OTHER.run_id, "submit"],
        [
            order(TWO)[:8],
            "submitted",
            date,
            hour,
            "1",
            "r-2",
            model,
            "rockets",
            TWO.run_id,
            "clips.submit[7]",
        ],
        [order(ONE)[:8], "sending", date, hour, "1", model, "rockets", ONE.run_id, "submit"],
    ]
    assert len({line.index("kling-v3") for line in lines[1:]}) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--dag", "rockets"], [TWO, ONE]),
        (["--state", "sending"], [ONE]),
        (["--dag", "comets", "--state", "submitted"], []),
        (["--dag", "comets"], [OTHER]),
        (["--dag", "nothing"], []),
    ],
)
def test_list_of_some(
    root: Path, capsys: pytest.CaptureFixture[str], options: list[str], expected: list[TaskKey]
) -> None:
    assert run(root, "list", *options, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [entry["order"] for entry in told] == [order(key) for key in expected]
    assert run(root, "list", *options) == 0
    assert ("No orders" in capsys.readouterr().out) == (not expected)


def test_dags_whose_folders_share_a_name_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for dag in ("a:b", "a;b"):
        ledger(tmp_path, TaskKey(dag, "run", "submit")).write(sending())
    assert run(tmp_path, "list", "--dag", "a:b", "--json") == 0
    assert [entry["dag_id"] for entry in json.loads(capsys.readouterr().out)] == ["a:b"]


def test_json_has_all_that_is_known(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, "list", "--state", "submitted", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)
    expected = {"order": order(TWO), "number": 2, "by": "try 1", "at": AT, **TWO.to_json()}
    assert entry.items() >= expected.items()
    assert entry["record"] == sending().submitted("r-2", now=AT + 5).to_json()


def test_an_unreadable_order_is_shown_and_makes_the_command_fail(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (step,) = (path for path in root.rglob("000001.json") if order(ONE) in str(path))
    step.write_bytes(b"")
    assert run(root, "list") == 1
    out, err = capsys.readouterr()
    assert f"{order(ONE)[:8]}  unreadable" in out
    assert f"{order(ONE)}/000001.json is unreadable: it is empty" in err
    assert "rockets" in out
    assert run(root, "list", "--state", "unreadable", "--json") == 1
    assert [entry["order"] for entry in json.loads(capsys.readouterr().out)] == [order(ONE)]
    assert run(root, "list", "--state", "submitted") == 0
    capsys.readouterr()
    assert run(root, "show", order(ONE)) == 1
    out, err = capsys.readouterr()
    assert "unreadable" in out
    assert "it is empty" in err
    for change in (["adopt", order(ONE), "r-1"], ["forget", order(ONE), "--yes"]):
        assert run(root, *change) == 1
        assert "it is empty" in capsys.readouterr().err
    assert step.read_bytes() == b""


def test_show_tells_every_step(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, "show", order(TWO)[:8]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"order    {order(TWO)}"
    assert lines[1] == f"task     rockets / {TWO.run_id} / clips.submit[7]"
    assert lines[2] == f"asked    kling-v3-image-to-video, take 1, fingerprint {PRINT}"
    assert lines[5].split() == ["1", *SENT.split(), "sending", "1", "https://p/f.png", "try", "1"]
    assert lines[6].split() == ["2", *SENT.split(), "submitted", "1", "r-2", "https://p/f.png", "try", "1"]
    assert run(root, "show", order(TWO), "--json") == 0
    assert [step["number"] for step in json.loads(capsys.readouterr().out)] == [1, 2]


def test_what_comes_from_elsewhere_does_not_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger(tmp_path).write(sending().not_sent("no\x1b[2J\nno"))
    assert run(tmp_path, "show", order(ONE)) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "no\ufffd[2J\ufffdno" in out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("zz", "is no order"),
        ("abc", "is no order"),
        ("0000", "No order begins with 0000"),
        ("../x", "is no order"),
    ],
)
def test_an_order_that_is_not_there(
    root: Path, capsys: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    assert run(root, "show", name) == 1
    assert told in capsys.readouterr().err


def test_as_many_digits_as_it_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prints = [f"{number:064x}" for number in range(600)]
    seen: dict[str, str] = {}
    twins: tuple[str, str] = ("", "")
    for fingerprint in prints:
        prefix = ONE.order(fingerprint, 1)[:4]
        if prefix in seen:
            twins = (seen[prefix], fingerprint)
            break
        seen[prefix] = fingerprint
    assert all(twins)
    for fingerprint in twins:
        ledger(tmp_path).write(replace(sending(), fingerprint=fingerprint))
    ids = [ONE.order(fingerprint, 1) for fingerprint in twins]
    assert run(tmp_path, "show", ids[0][:4]) == 1
    assert f"2 orders begin with {ids[0][:4]}" in capsys.readouterr().err
    assert run(tmp_path, "show", ids[0]) == 0
    assert digits(["a" * 32, "a" * 9 + "b" * 23, "c" * 32]) == 10
    assert digits([]) == digits(["a" * 32]) == 8


def test_adopt_gives_a_lost_order_its_request(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(root)
    assert run(root, "adopt", order(ONE), "r-1") == 0
    assert "has the request r-1 now (entry 2)" in capsys.readouterr().out
    record = read(root, ONE)
    assert record == replace(sending().submitted("r-1", now=AT), submitted_at=AT)
    assert (root / "_claims/r-1/000001").read_text() == f"prod: {ONE.owner(PRINT, 1)}"
    after = files(root)
    assert after.items() >= before.items()
    assert len(after) == len(before) + 2
    assert run(root, "show", order(ONE)) == 0
    assert "kling-airflow ledger adopt (" in capsys.readouterr().out


def test_the_task_finds_it_and_a_try_that_runs_is_fenced(root: Path) -> None:
    running = ledger(root, ONE)
    assert run(root, "adopt", order(ONE), "r-1") == 0
    with pytest.raises(Fenced, match="kling-airflow ledger adopt"):
        running.write(sending())
    it = ledger(root, ONE)
    it.write(read(root, ONE).submitted("r-2", now=10.0))
    assert read(root, ONE).request_id == "r-2"


def test_adopting_twice_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, "adopt", order(ONE), "r-1") == 0
    before = files(root)
    assert run(root, "adopt", order(ONE), "r-1") == 0
    assert "already. Nothing was written" in capsys.readouterr().out
    assert files(root) == before


@pytest.mark.parametrize(
    ("key", "request_id", "told"),
    [
        (ONE, "r-2", "The request r-2 belongs to another: prod: order "),
        (TWO, "r-9", "has the request r-2 already, which is paid for if it succeeds"),
        (ONE, "", "is no request id"),
        (ONE, "r 1", "is no request id"),
        (ONE, "../../x", "is no request id"),
    ],
)
def test_what_cannot_be_adopted(
    root: Path, capsys: pytest.CaptureFixture[str], key: TaskKey, request_id: str, told: str
) -> None:
    before = files(root)
    assert run(root, "adopt", order(key), request_id) == 1
    assert told in capsys.readouterr().err
    assert files(root) == before


def test_a_try_that_writes_in_between_wins(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    money = ledger_command.money

    def meanwhile(record: SubmissionRecord) -> str:
        ledger(root, ONE).write(sending().submitted("r-1", now=AT))
        return money(record)

    monkeypatch.setattr(ledger_command, "money", meanwhile)
    assert run(root, "forget", order(ONE), "--yes") == 1
    assert (
        "A try of the task has written to this order meanwhile; nothing was changed"
        in capsys.readouterr().err
    )
    assert read(root, ONE).request_id == "r-1"


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (
            ONE,
            "may have reached GMI Cloud.*paid for once it succeeds.*another clip.*`adopt` the request",
        ),
        (TWO, "request r-2 is not cancelled, and is paid for once it succeeds.*buys another clip"),
    ],
)
def test_forget_says_what_it_costs_and_lets_the_task_buy_again(
    root: Path, capsys: pytest.CaptureFixture[str], key: TaskKey, told: str
) -> None:
    before, was = files(root), read(root, key)
    assert run(root, "forget", order(key), "--yes", "--reason", "gone for good") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(told, out)
    record = read(root, key)
    assert (record.state, record.request_id, record.marker, record.frames) == (State.NOT_SENT, None, None, {})
    assert (record.doubted_since, record.arrives_by, record.earlier) == (None, None, was.earlier)
    assert (
        record.reason
        == f"forgotten: gone for good (it was `{was.state}`, request {was.request_id or 'unknown'})"
    )
    assert files(root).items() >= before.items()


def test_nothing_to_forget(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(root)
    assert run(root, "forget", order(OTHER), "--yes") == 0
    assert "Nothing was written" in capsys.readouterr().out
    assert files(root) == before


class Terminal:
    def __init__(self, answer: str) -> None:
        self.answer = answer

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return f"{self.answer}\n"


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("YES", 0), ("", 1), ("n", 1), ("maybe", 1)])
def test_forget_asks(root: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert run(root, "forget", order(ONE)) == code
    assert (read(root, ONE).state is State.NOT_SENT) == (code == 0)


def test_forget_does_not_guess_where_nobody_can_be_asked(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(root, "forget", order(ONE)) == 2
    assert "Add --yes" in capsys.readouterr().err
    assert read(root, ONE) == sending()


def test_the_place_by_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger(tmp_path).write(sending())
    assert main(["ledger", "list"]) == 2
    assert "say which ledger: --ledger s3://bucket/folder --deployment NAME" in capsys.readouterr().err
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", f"file://{tmp_path}")
    assert main(["ledger", "list"]) == 2
    assert main(["ledger", "list", "--deployment", "prod"]) == 0
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "dev")
    capsys.readouterr()
    assert main(["ledger", "list"]) == 1
    assert "has no deployment `dev`; there are prod." in capsys.readouterr().err
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "prod")
    assert main(["ledger", "list"]) == 0
    assert order(ONE)[:8] in capsys.readouterr().out


def test_looking_leaves_no_trace(root: Path) -> None:
    before = files(root)
    for command in (["list"], ["list", "--json"], ["show", order(ONE)]):
        assert run(root, *command) == 0
    assert files(root) == before


@pytest.mark.parametrize(
    ("uri", "code", "told"),
    [
        ("bucket/ledger", 2, "must be the address of a folder"),
        ("file:///nowhere/at/all", 1, "no such folder"),
        ("s3://nobody@bucket/ledger", 2, "`nobody` is not defined"),
    ],
)
def test_a_ledger_that_cannot_be_opened(
    capsys: pytest.CaptureFixture[str], uri: str, code: int, told: str
) -> None:
    assert main(["ledger", "list", "--ledger", uri, "--deployment", "prod"]) == code
    assert told in capsys.readouterr().err


def test_an_empty_folder_is_no_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "list") == 1
    assert "has no deployment `prod`; there is nothing." in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["ledger"], ["ledger", "list", "--state", "paused"], ["ledger", "adopt", "abcd"]]
)
def test_what_argparse_refuses(arguments: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
