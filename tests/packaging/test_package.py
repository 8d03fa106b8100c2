"""What is uploaded: the package page, the archives, and what the plugin of pytest costs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from tests.matrix.environment import uv

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, a wheel built from it, and in ``direct`` a wheel built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    try:
        uv("build", "--quiet", "--out-dir", str(folder), str(ROOT))
        uv("build", "--quiet", "--wheel", "--out-dir", str(folder / "direct"), str(ROOT))
    except RuntimeError as error:
        pytest.skip(f"nothing can be built here: {error}")
    return folder


@pytest.fixture(scope="module")
def page(archives: Path) -> Message:
    return page_of(next(archives.glob("*.whl")))


def page_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        return message_from_bytes(archive.read(name))


def test_the_sdist_builds_the_same_wheel(archives: Path) -> None:
    (from_sdist,), (direct,) = archives.glob("*.whl"), (archives / "direct").glob("*.whl")
    contents = []
    for wheel in (from_sdist, direct):
        with zipfile.ZipFile(wheel) as archive:
            contents.append({name: archive.read(name) for name in archive.namelist()})
    assert contents[0] == contents[1]


def test_the_archives_hold_what_they_should(archives: Path) -> None:
    (sdist,) = archives.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {"LICENSE", "NOTICE", "tests/conftest.py", "docs/index.md", "constraints.txt", "Makefile"}
    (wheel,) = archives.glob("*.whl")
    with zipfile.ZipFile(wheel) as built:
        folders = {name.partition("/")[0] for name in built.namelist()}
        example = [name for name in built.namelist() if name.endswith("kling_image_to_video.py")]
    assert folders == {"kling_airflow", "kling_airflow-0.1.0.dist-info"}
    assert example, "the example DAG"


def test_twine_has_no_complaint(archives: Path) -> None:
    pytest.importorskip("twine")
    files = [str(path) for path in (*archives.glob("*.whl"), *archives.glob("*.tar.gz"))]
    command = [sys.executable, "-m", "twine", "check", "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_has_no_link_that_leads_nowhere(page: Message) -> None:
    text = page.get_payload()
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    assert "![" not in text
    files = [path.partition("#")[0] for path in re.findall(r"\(`([^`\s]+\.\w+[^`\s]*)`\)", text)]
    assert len(files) > 8
    assert [path for path in files if not (ROOT / path).is_file()] == []


def test_who_made_it_and_what_it_needs(page: Message) -> None:
    assert page["Author"]
    assert page["Requires-Python"] == "<3.15,>=3.11"


def test_without_an_address_the_index_refuses_the_upload(page: Message) -> None:
    labels = {entry.partition(",")[0] for entry in page.get_all("Project-URL", [])}
    private = "Private :: Do Not Upload" in page.get_all("Classifier", [])
    assert private == ("Source" not in labels), "docs/releasing.md, 'The address of the repository'"


def test_with_the_lines_of_the_checklist_the_page_has_whole_addresses(tmp_path: Path) -> None:
    """The step of the first release, tried with an address of no repository."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, checkout)
    for name in ("kling_airflow", "dags"):
        (checkout / name).symlink_to(ROOT / name)
    (checkout / "pyproject.toml").write_text(with_an_address((ROOT / "pyproject.toml").read_text()))
    try:
        uv("build", "--quiet", "--wheel", "--out-dir", str(tmp_path / "dist"), str(checkout))
    except RuntimeError as error:
        pytest.skip(f"nothing can be built here: {error}")
    page = page_of(next((tmp_path / "dist").glob("*.whl")))
    assert {entry.partition(",")[0] for entry in page.get_all("Project-URL", [])} >= {
        "Documentation", "Source", "Issues", "Changelog",
    }  # fmt: skip
    text = page.get_payload()
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    ours = re.findall(r"https://host\.example/(?:files|raw)/v[0-9.]+/([^)\s#]+)", text)
    assert len(ours) > 8
    assert [path for path in ours if not (ROOT / path).exists()] == []


def with_an_address(project: str) -> str:
    """Return pyproject.toml after the step of the release checklist."""
    checklist = (ROOT / "docs" / "releasing.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```toml\n(.*?)```", checklist, re.DOTALL)
    for name, address in (("REPOSITORY", ""), ("FILES", "/files"), ("PICTURES", "/raw")):
        lines = lines.replace(name, f"https://host.example{address}")
    hook = r"\[\[tool\.hatch\.metadata\.hooks\.fancy-pypi-readme\.substitutions\]\].*?\n\n"
    kept = re.sub(hook, "", project, flags=re.DOTALL)
    kept = re.sub(r'.*"Private :: Do Not Upload".*\n', "", kept)
    assert kept.count("Private") == kept.count("substitutions") == 0
    return f"{kept}\n{lines}"


def test_the_plugin_of_pytest_loads_nothing_where_it_is_not_used() -> None:
    """It is imported in every run of pytest beside the package, so it must be nearly free."""
    code = (
        "import sys, time; import pytest; before = set(sys.modules); began = time.process_time();"
        "import kling_airflow.simulator.pytest_plugin; spent = time.process_time() - began;"
        "print(len(set(sys.modules) - before), spent)"
    )
    command = [sys.executable, "-c", code]
    done = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(3)]
    runs = [run.stdout.split() for run in done]
    assert {int(modules) for modules, _ in runs} <= {1, 2, 3, 4, 5}
    assert min(float(spent) for _, spent in runs) < 0.02
