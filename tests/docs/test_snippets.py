"""What the README and the docs show can be run as it stands."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.__main__ import COMMANDS
from kling_airflow.cli import capacity as capacity_cli
from kling_airflow.cli import demo as demo_cli
from kling_airflow.cli import examples as examples_cli
from kling_airflow.cli import gallery as gallery_cli
from kling_airflow.cli import ledger as ledger_command
from kling_airflow.cli import simulator as simulator_cli
from kling_airflow.cli import spend as spend_cli
from kling_airflow.cli import storyboard as storyboard_cli
from kling_airflow.simulator import Simulator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)
OTHERS = {"airflow", "aws", "curl", "export", "pip"}
PARSERS = {
    "demo": demo_cli.add_arguments,
    "examples": examples_cli.add_arguments,
    "gallery": gallery_cli.add_arguments,
    "ledger": ledger_command.add_arguments,
    "simulator": simulator_cli.add_arguments,
    "capacity": capacity_cli.add_arguments,
    "spend": spend_cli.add_arguments,
    "storyboard": storyboard_cli.add_arguments,
}


@dataclass(frozen=True)
class Snippet:
    """A fenced block of a page."""

    page: Path
    line: int
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def snippets(language: str) -> Iterator[Snippet]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match["language"] == language:
                indent = len(match["indent"])
                code = included("".join(line[indent:] for line in match["code"].splitlines(keepends=True)))
                yield Snippet(page, text.count("\n", 0, match.start()) + 1, code)


def included(code: str) -> str:
    """Put the part of a file that ``--8<-- "file:part"`` names in its place, as the docs build does."""

    def part(match: re.Match[str]) -> str:
        text = (ROOT / match["file"]).read_text(encoding="utf-8")
        if not match["part"]:
            return text
        begin, end = (f"# --8<-- [{word}:{match['part']}]\n" for word in ("start", "end"))
        return text.partition(begin)[2].partition(end)[0]

    return re.sub(r'^--8<-- "(?P<file>[^":]+):?(?P<part>[^"]*)"\n', part, code, flags=re.MULTILINE)


def commands() -> Iterator[Any]:
    """Each command line of each bash block, without comments."""
    for snippet in snippets("bash"):
        for line in snippet.code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield pytest.param(words, id=f"{snippet}-{words[0]}-{words[1] if len(words) > 1 else ''}")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(transitions="immediate") as running:
        yield running


@pytest.mark.parametrize("snippet", list(snippets("python")), ids=str)
def test_python_runs_and_its_dags_load(
    snippet: Snippet, simulator: Simulator, airflow_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.airflow_versions import DagBag

    monkeypatch.setenv("AIRFLOW_CONN_GMI_CLOUD_DEFAULT", simulator.connection)
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet.code, str(snippet), "exec"), {"__name__": "snippet"})
    dags = len(re.findall(r"^@dag|\bDAG\(", snippet.code, re.MULTILINE))
    if dags:
        (tmp_path / "dags").mkdir()
        (tmp_path / "dags" / "snippet_dag_of_airflow.py").write_text(snippet.code)
        bag = DagBag(dag_folder=tmp_path / "dags")
        assert bag.import_errors == {}
        assert len(bag.dags) == dags


def test_no_dag_of_the_docs_runs_by_itself() -> None:
    """Airflow 2.11 runs a DAG without a schedule every day, and each run would buy clips."""
    made = []
    sources = [(str(each), each.code) for each in snippets("python")]
    sources += [(path.name, path.read_text()) for path in sorted((ROOT / "dags").glob("*.py"))]
    for name, code in sources:
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"DAG", "dag"}:
                made.append(name)
                assert "schedule" in {each.arg for each in node.keywords}, f"{name}, line {node.lineno}"
    assert len(made) > 10


@pytest.mark.parametrize("words", list(commands()))
def test_commands_exist_with_the_options_shown(words: list[str]) -> None:
    program, *arguments = words
    if program == "make":
        check_make(arguments)
    elif program == "kling-airflow":
        check_own(arguments)
    elif program not in OTHERS:
        pytest.fail(
            f"`{program}` in a bash block: this test knows make and kling-airflow; mark others as text"
        )


def check_make(arguments: list[str]) -> None:
    """The targets are in the Makefile; what goes to the demo is what the demo takes."""
    targets = [argument for argument in arguments if "=" not in argument]
    variables = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    known = set(re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets
    assert set(targets) <= known
    assert set(variables) <= {"ARGS", "PYTHON", "VENV"}
    if targets == ["demo"]:
        check_own(["demo", *shlex.split(variables.get("ARGS", ""))])


def check_own(arguments: list[str]) -> None:
    """The subcommand is there and takes these options."""
    command, *options = arguments
    assert command in COMMANDS
    parser = argparse.ArgumentParser(exit_on_error=False)
    PARSERS[command](parser)
    known, unknown = parser.parse_known_args([option for option in options if option not in ("-h", "--help")])
    assert known is not None
    assert unknown == []


def test_the_readme_shows_the_two_commands_and_four_operators() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = [
        line
        for snippet in snippets("bash")
        if snippet.page.name == "README.md"
        for line in snippet.code.split("\n")
    ]
    assert {"make demo", "make test"} <= set(shown)
    for name in (
        "PrepareFrameOperator",
        "KlingImageToVideoOperator",
        "GMICloudRequestSensor",
        "ClipToObjectStorageOperator",
    ):
        assert name in text


def test_the_readme_begins_with_a_picture_the_money_and_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    first_screen = "\n".join(lines[:44])
    assert first_screen.index("](docs/img/") < first_screen.index("| what costs money |")
    assert first_screen.index("| what costs money |") < first_screen.index("\nmake demo\n")
    assert first_screen.index("\nmake demo\n") < first_screen.index("\nmake test\n")
    for price in ("$0.168", "$0.252", "$0.84", "$1.26"):
        assert price in first_screen


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).is_file(), target
