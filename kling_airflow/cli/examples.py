"""`kling-airflow examples`: the example DAGs, and all that they need to run on this machine."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from kling_airflow.demo.options import END, START, dags_folder
from kling_airflow.hooks.allowed_addresses import DEFAULTS, DESTINATIONS, SOURCES

DAGS: Final = ("kling_image_to_video.py", "kling_storyboard.py")
STORYBOARD: Final = f"""\
title: To the stars
defaults: {{duration: 5, sound: no}}
shots:
  - name: launch
    frame: stills/{START.name}
    prompt: The rocket rises through the clouds.
    takes: 2
  - name: arrival
    continues: true                   # begins on the last frame of the shot before
    end_frame: stills/{END.name}
    prompt: The camera glides past galaxies.
    sound: yes
"""
_SAFE: Final = re.compile(r"[\w./-]+", re.ASCII)
"""What a path may consist of: it is written into Python, into a shell's lines, and into addresses."""
_REMEMBERS: Final = (3, 3)
"""The first Airflow with a task state store. Before, a ledger folder is needed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="gets two photographs, a storyboard, and later the clips"
    )
    parser.add_argument(
        "--dags", type=Path, metavar="DIR", help="Airflow's DAGs folder (default: FOLDER/dags)"
    )
    parser.epilog = "A file that exists stays as it is. Nothing here talks to GMI Cloud."


def run(args: argparse.Namespace) -> int:
    """Copy the examples, and say which settings they need.

    :param args: what :func:`add_arguments` asked for.
    :return: 0; 1 if a file can't be written; 2 if the folder's path has an unfit character.
    """
    folder: Path = args.folder.expanduser().absolute()
    dags: Path = args.dags.expanduser().absolute() if args.dags else folder / "dags"
    if not _SAFE.fullmatch(str(folder)):
        return _failed(f"{folder} has characters other than letters, digits and . / _ -: take another.", 2)
    try:
        written = _write(folder, dags)
    except OSError as error:
        return _failed(f"{error.filename}: {error.strerror}", 1)
    lines = [f"{'wrote' if new else 'kept '}  {path}" for path, new in written]
    lines += [
        "",
        f"Both DAGs read and write below {folder} only. Airflow must be allowed to: read these settings",
        "into the environment of every component of Airflow, before it starts:",
        "",
        f"  . {folder / 'environment.sh'}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def settings(folder: Path) -> dict[str, str]:
    """Return the environment in which the examples run with the folder.

    :param folder: of pictures and clips, absolute.
    """
    here = folder.as_uri()
    found = {
        "AIRFLOW__KLING__ALLOWED_SOURCES": f"{DEFAULTS[SOURCES]} {here}",
        "AIRFLOW__KLING__ALLOWED_DESTINATIONS": f"{DEFAULTS[DESTINATIONS]} {here}/clips",
        "AIRFLOW__KLING__GALLERY": f"{here}/clips",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    }
    if _airflow() < _REMEMBERS:
        found |= {"AIRFLOW__KLING__LEDGER": f"{here}/ledger", "AIRFLOW__KLING__DEPLOYMENT": "trial"}
    return found


def _write(folder: Path, dags: Path) -> list[tuple[Path, bool]]:
    """Write every file that is missing; return each path, and whether it is new."""
    for made in (folder / "stills", folder / "clips", folder / "ledger", dags):
        made.mkdir(parents=True, exist_ok=True)
    written = []
    for picture in (START, END):
        path = folder / "stills" / picture.name
        if new := not path.exists():
            shutil.copyfile(picture, path)
        written.append((path, new))
    texts = {folder / "shots.yaml": STORYBOARD, folder / "environment.sh": _environment(folder)}
    texts |= {dags / name: _local(dags_folder() / name, folder) for name in DAGS}
    for path, text in texts.items():
        if new := not path.exists():
            path.write_text(text, encoding="utf-8")
        written.append((path, new))
    return written


def _environment(folder: Path) -> str:
    return "".join(f"export {name}='{value}'\n" for name, value in settings(folder).items())


def _local(dag: Path, folder: Path) -> str:
    """Return an example DAG's text, its Params' defaults being files of the folder."""
    here = folder.as_uri()
    text = dag.read_text(encoding="utf-8")
    for bucket, local in (
        ('"s3://stills/', f'"{here}/stills/'),
        ('"s3://boards/', f'"{here}/'),
        ('"s3://clips"', f'"{here}/clips"'),
    ):
        text = text.replace(bucket, local)
    if _airflow() < (3, 1):  # no task can ask a person there
        text = re.sub(r'("approve": Param\(\s+)True', r"\1False", text)
    return text


def _airflow() -> tuple[int, ...]:
    """Return Airflow's version, as far as it is needed."""
    for name in ("apache-airflow-core", "apache-airflow"):
        try:
            return tuple(int(part) for part in version(name).split(".")[:2])
        except PackageNotFoundError:
            continue
    return _REMEMBERS


def _failed(reason: str, code: int) -> int:
    sys.stderr.write(f"kling-airflow examples: {reason}\n")
    return code
