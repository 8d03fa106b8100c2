"""What is uploaded: the package page, the archives, and what the plugin of pytest costs."""

from __future__ import annotations

import re
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
    (wheel,) = archives.glob("*.whl")
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


def test_every_picture_and_link_of_the_page_is_whole(page: Message) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.get_payload())
    assert len(targets) > 8
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []


def test_each_address_of_the_page_is_a_file_here(page: Message) -> None:
    ours = re.findall(r"kling-airflow/kling_airflow/(?:blob/)?v0\.1\.0/([^)\s#]+)", page.get_payload())
    assert len(ours) > 8
    assert [path for path in ours if not (ROOT / path).exists()] == []


def test_the_page_says_where_things_are(page: Message) -> None:
    labels = {entry.partition(",")[0] for entry in page.get_all("Project-URL", [])}
    assert labels >= {"Documentation", "Source", "Issues", "Changelog"}
    assert page["Author"]
    assert page["Requires-Python"] == "<3.15,>=3.11"


def test_the_index_refuses_an_upload_while_the_repository_is_not_public(page: Message) -> None:
    planned = "the planned address" in (ROOT / "docs" / "releasing.md").read_text(encoding="utf-8")
    assert planned == ("Private :: Do Not Upload" in page.get_all("Classifier", []))


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
