"""``kling-airflow gallery reindex``."""

from __future__ import annotations

from pathlib import Path

import pytest

from kling_airflow.__main__ import main
from kling_airflow.gallery.index import Index
from kling_airflow.gallery.settings import open_gallery
from tests.gallery.sidecars import store_clip


def test_reindex_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        store_clip(tmp_path, f"{number}.mp4", number)
    (tmp_path / "x.mp4").write_bytes(b"x")
    (tmp_path / "x.json").write_text("[]")
    assert main(["gallery", "reindex", "--gallery", tmp_path.as_uri()]) == 0
    out, err = capsys.readouterr()
    assert out == "The index has 3 clips and films.\n1 JSON files are no sidecars of a landing: x.json.\n"
    assert "4 of 4 sidecars are read." in err
    assert len(Index(open_gallery(tmp_path.as_uri())).entries()) == 3


def test_the_folder_comes_from_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__KLING__GALLERY", raising=False)
    assert main(["gallery", "reindex"]) == 2
    assert "[kling] gallery" in capsys.readouterr().err
    store_clip(tmp_path, "1.mp4")
    monkeypatch.setenv("AIRFLOW__KLING__GALLERY", tmp_path.as_uri())
    assert main(["gallery", "reindex"]) == 0
    assert "1 clips" in capsys.readouterr().out


def test_an_address_that_is_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gallery", "reindex", "--gallery", "clips"]) == 1
    assert "[kling] gallery" in capsys.readouterr().err
