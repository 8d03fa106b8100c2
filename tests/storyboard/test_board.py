"""A storyboard is read from each format alike, and everything that is wrong with it is named at once."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import InvalidArgument
from kling_airflow.exceptions import InvalidArgument as AirflowInvalidArgument
from kling_airflow.exceptions import airflow_errors
from kling_airflow.storyboard import InvalidStoryboard, Shot, Storyboard
from tests.storyboard.boards import SHOT, as_json, file_of, refused

YAML = """\
title: To the stars
defaults: {duration: 5, sound: yes}
shots:
  - name: launch
    frame: stills/rocket.jpg
    prompt: The rocket rises.
    takes: 2
  - name: arrival
    continues: true
    prompt: >-
      The camera glides
      past galaxies.
    sound: no
    duration: 10
"""
CSV = """\
name,frame,prompt,duration,sound,takes,continues
launch,stills/rocket.jpg,The rocket rises.,5,yes,2,
arrival,,"The camera glides past galaxies.",10,no,,true
"""
JSON = {
    "$schema": "storyboard-1.schema.json",
    "version": 1,
    "title": "To the stars",
    "defaults": {"duration": 5, "sound": True},
    "shots": [
        {"name": "launch", "frame": "stills/rocket.jpg", "prompt": "The rocket rises.", "takes": 2},
        {
            "name": "arrival",
            "continues": "launch",
            "prompt": "The camera glides past galaxies.",
            "sound": False,
            "duration": 10,
        },
    ],
}


def shots(board: Storyboard) -> list[Shot]:
    return [replace(shot, line=None) for shot in board]


class TestReading:
    def test_yaml(self, tmp_path: Path) -> None:
        board = Storyboard.load(file_of(tmp_path, "shots.yaml", YAML))
        first, second = board
        assert (board.title, board.clips, board.seconds) == ("To the stars", 3, 15)
        assert (first.name, first.takes, first.continues) == ("launch", 2, None)
        assert first.frame == (tmp_path / "stills" / "rocket.jpg").as_uri()
        assert first.take_names == ("launch.1", "launch.2")
        assert (first.options.duration, first.options.sound) == (5, True)
        assert second.continues == "launch"
        assert second.options.values["prompt"] == "The camera glides past galaxies."
        assert (second.options.duration, second.options.sound) == (10, False)
        assert (first.line, second.line) == (4, 8)

    def test_each_format_says_the_same(self, tmp_path: Path) -> None:
        from_yaml = Storyboard.load(file_of(tmp_path, "shots.yml", YAML))
        from_csv = Storyboard.load(file_of(tmp_path, "shots.csv", CSV))
        from_json = Storyboard.load(as_json(tmp_path, JSON, indent="\t"))
        assert shots(from_yaml) == shots(from_csv) == shots(from_json)

    @pytest.mark.parametrize("delimiter", [";", "\t"])
    def test_csv_as_spreadsheets_write_it(self, tmp_path: Path, delimiter: str) -> None:
        text = f"\ufeff{CSV.replace(',', delimiter)}".replace("\n", "\r\n")
        assert shots(Storyboard.load(file_of(tmp_path, "a.csv", text))) == shots(
            Storyboard.load(file_of(tmp_path, "b.csv", CSV))
        )

    def test_an_object_storage_path(self, tmp_path: Path) -> None:
        from tests.airflow_versions import ObjectStoragePath

        file_of(tmp_path, "shots.yaml", YAML)
        board = Storyboard.load(ObjectStoragePath((tmp_path / "shots.yaml").as_uri()))
        assert board.shots[0].frame == (tmp_path / "stills" / "rocket.jpg").as_uri()

    def test_relative_frames_begin_beside_the_storyboard(self) -> None:
        data = b"- {name: a, frame: ../stills/a.jpg, prompt: x}"
        (shot,) = Storyboard.parse(data, "s3://bucket/boards/spring/shots.yaml")
        assert shot.frame == "s3://bucket/boards/stills/a.jpg"

    def test_a_relative_frame_does_not_leave_the_bucket(self) -> None:
        data = b"- {name: a, frame: ../../../other/a.jpg, prompt: x}"
        (shot,) = Storyboard.parse(data, "s3://bucket/shots.yaml")
        assert shot.frame == "s3://bucket/other/a.jpg"

    def test_the_model_follows_from_the_frame(self) -> None:
        board = Storyboard.load([SHOT, {"name": "title", "prompt": "Stars.", "aspect_ratio": "9:16"}])
        assert [shot.model for shot in board] == ["kling-v3-image-to-video", "kling-v3-text-to-video"]

    def test_yaml_anchors_and_merges(self, tmp_path: Path) -> None:
        text = "- &a {name: a, frame: s3://b/a.jpg, prompt: x, duration: 4}\n- {<<: *a, name: b}\n"
        first, second = Storyboard.load(file_of(tmp_path, "shots.yaml", text))
        assert second == replace(first, name="b", line=2)

    @given(
        st.lists(
            st.fixed_dictionaries(
                {
                    "prompt": st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(
                        lambda text: text.strip() == text and text.lower() not in ("none", "null")
                    ),
                    "duration": st.integers(3, 15),
                    "sound": st.booleans(),
                    "takes": st.integers(1, 3),
                }
            ),
            min_size=1,
            max_size=6,
        )
    )
    def test_what_a_storyboard_writes_is_read_again(self, rows: list[dict[str, Any]]) -> None:
        board = Storyboard.load([{**SHOT, "name": f"s{n}", **row} for n, row in enumerate(rows)])
        assert shots(Storyboard.load(board.to_json())) == shots(board)
        again = Storyboard.parse(json.dumps(board.to_json()).encode(), "s3://b/shots.json")
        assert shots(again) == shots(board)


class TestHabitsOfYaml:
    """YAML 1.1 reads 16:9 as 969 and no as False; what was written is what counts."""

    def test_in_a_file_the_text_counts(self, tmp_path: Path) -> None:
        text = "- {name: 007, prompt: no, aspect_ratio: 16:9, sound: off}\n- {name: null1, prompt: 1:30}\n"
        first, second = Storyboard.load(file_of(tmp_path, "shots.yaml", text))
        assert first.name == "007"
        assert first.options.values["prompt"] == "no"
        assert first.options.values["aspect_ratio"] == "16:9"
        assert first.options.sound is False
        assert second.options.values["prompt"] == "1:30"

    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [
            ("aspect_ratio", 969, 'YAML reads 16:9 without quotes so; write "16:9"'),
            ("aspect_ratio", 556, "9:16"),
            ("prompt", False, "YAML reads no, off or false without quotes so"),
            ("prompt", True, "YAML reads yes"),
        ],
    )
    def test_in_a_list_it_is_recognized(self, field: str, value: object, words: str) -> None:
        ((_, found, what),) = refused([{"name": "a", "prompt": "x", field: value}])
        assert found == field
        assert words in what

    def test_a_date(self) -> None:
        from datetime import date

        ((_, field, what),) = refused([{**SHOT, "name": date(2026, 5, 1)}])
        assert (field, "the date 2026-05-01" in what) == ("name", True)


class TestRefusing:
    def test_everything_is_named_at_once_with_its_line(self, tmp_path: Path) -> None:
        text = """\
titel: To the stars
shots:
  - name: launch
    frame: s3://stills/rocket.jpg
    promt: The rocket rises.
    takes: 99
  - name: a b
    prompt: x
    duration: 6
    duration: 20
  - {name: c, prompt: x, image: a.png}
"""
        found = refused(file_of(tmp_path, "shots.yaml", text))
        assert [(line, field) for line, field, _ in found] == [
            (1, None),
            (3, "prompt"),
            (5, "promt"),
            (6, "takes"),
            (7, "name"),
            (10, "duration"),
            (10, "duration"),
            (11, "image"),
        ]
        assert "did you mean `prompt`?" in found[2][2]
        assert "it is called `frame`" in found[7][2]

    def test_the_text_names_file_and_line_and_the_money(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidStoryboard) as caught:
            Storyboard.load(file_of(tmp_path, "shots.yaml", "- name: a\n  prompt: x\n  duration: 20\n"))
        text = str(caught.value)
        assert f"{tmp_path}/shots.yaml:3: shot 'a', `duration`: is '20'; it must be 3 to 15 seconds" in text
        assert "No money was spent." in text

    def test_airflow_does_not_retry_it(self) -> None:
        with pytest.raises(AirflowInvalidArgument), airflow_errors():
            Storyboard.load([])

    def test_one_bad_row_of_forty(self, tmp_path: Path) -> None:
        rows = [f"s{n},s3://b/{n}.jpg,Rise.,{5 if n != 27 else 50}" for n in range(40)]
        text = "\n".join(["name,frame,prompt,duration", *rows])
        ((line, field, what),) = refused(file_of(tmp_path, "shots.csv", text))
        assert (line, field) == (29, "duration")
        assert "3 to 15 seconds" in what

    def test_a_row_of_csv_after_one_of_several_lines(self, tmp_path: Path) -> None:
        text = 'name,prompt,duration\na,"one\ntwo",5\nb,x,99\n'
        ((line, _, _),) = refused(file_of(tmp_path, "shots.csv", text))
        assert line == 4

    def test_five_hundred_shots(self) -> None:
        ((_, _, what),) = refused([{**SHOT, "name": f"s{n}"} for n in range(500)])
        assert "it has 500 clips" in what
        assert "400" in what

    @pytest.mark.parametrize(
        ("fields", "field", "words"),
        [
            ({"frame": None}, "prompt", ""),
            ({"model": "kling-v9"}, "model", "known are kling-v3"),
            ({"model": "kling-v3-image-to-video", "frame": None}, "frame", "begins on a frame"),
            ({"model": "kling-v3-text-to-video"}, "frame", "has no such frame"),
            ({"model": "kling-3.0-turbo-i2v", "end_frame": "s3://b/e.png"}, "end_frame", "no such frame"),
            ({"model": "kling-3.0-turbo-i2v", "sound": True}, "sound", "has no such argument"),
            ({"frame": "stills/a.jpg"}, "frame", "relative"),
            ({"frame": "data:image/png;base64,AAAA"}, "frame", "data:"),
            ({"frame": ["s3://b/a.jpg"]}, "frame", "one value"),
            ({"prompt": "x" * 2501}, "prompt", "2501"),
            ({"prompt": " "}, "prompt", "empty"),
            ({"prompt": 5.5, "duration": 5.5}, "duration", "whole number"),
            ({"sound": "loud"}, "sound", "true or false"),
            ({"takes": 0}, "takes", "1 to 20"),
            ({"takes": "two"}, "takes", "1 to 20"),
            ({"takes": True}, "takes", "1 to 20"),
            ({"name": "../x"}, "name", "letters, digits"),
            ({"name": "a.b"}, "name", "letters, digits"),
            ({"name": ""}, "name", "letters, digits"),
            ({"name": None}, "name", "missing"),
            ({"continues": True}, "continues", "no shot before"),
            ({"continues": "launch", "frame": None}, "continues", "the shot itself"),
            ({"continues": "other", "frame": None}, "continues", "no such shot"),
        ],
    )
    def test_bad_input(self, fields: dict[str, Any], field: str, words: str) -> None:
        if fields == {"frame": None}:
            fields = {"frame": None, "prompt": None}
        found = refused([{**SHOT, **fields}])
        assert field in {each for _, each, _ in found}
        assert any(words in what for _, each, what in found if each == field)

    def test_a_circle_of_shots(self) -> None:
        rows = [{"name": name, "prompt": "x", "continues": on} for name, on in ("ab", "bc", "ca")]
        found = refused(rows)
        assert len(found) == 3
        assert all("circle" in what for _, _, what in found)

    def test_a_frame_of_a_shot_that_continues_another(self) -> None:
        ((_, field, what),) = refused([SHOT, {**SHOT, "name": "b", "continues": True}])
        assert (field, "last frame" in what) == ("frame", True)

    def test_two_shots_of_one_name(self, tmp_path: Path) -> None:
        text = "- {name: a, prompt: x}\n- {name: A, prompt: x}\n"
        ((line, field, what),) = refused(file_of(tmp_path, "shots.yaml", text))
        assert (line, field) == (2, "name")
        assert "in line 1" in what

    @pytest.mark.parametrize(
        ("name", "text", "line", "words"),
        [
            ("a.yaml", "shots:\n  - name: a\n    prompt: b: c\n", 3, "no YAML"),
            ("a.yaml", "- {name: a, prompt: 'x'\n", None, "no YAML"),
            ("a.yaml", "", None, "empty"),
            ("a.yaml", "just a text", 1, "list of shots"),
            ("a.yaml", "shots: {a: b}", 1, "list of shots"),
            ("a.yaml", "- just a text", 1, "mapping of fields"),
            ("a.yaml", "defaults: {name: a}\nshots: [{name: a, prompt: x}]", 1, "each shot has its own"),
            ("a.yaml", "version: 2\nshots: [{name: a, prompt: x}]", 1, "reads version 1"),
            ("a.yaml", "&a\n- *a\n", None, ""),
            ("a.json", '[{"name": "a",}]', 1, "no JSON"),
            ("a.json", '[{"name": "a", "prompt": "x", "prompt": "y"}]', 1, "stands twice"),
            ("a.json", "3", 1, "list of shots"),
            ("a.json", "[" * 100_000, None, ""),
            ("a.csv", "", 1, "empty"),
            ("a.csv", "name,prompt\n", None, "no shots"),
            ("a.csv", "name,prompt\na,one, two\n", 2, "3 cells"),
            ("a.csv", "name,name\na,b\n", 1, "two columns"),
            ("a.csv", 'name,prompt\na,"one\n', None, "no CSV"),
            ("a.yaml", b"- {name: a, prompt: \xff}", 1, "UTF-8"),
            ("a.yaml", b"#" * 5_000_001, None, "5,000,000"),
        ],
    )
    def test_files_that_are_none(
        self, tmp_path: Path, name: str, text: str | bytes, line: int | None, words: str
    ) -> None:
        found = refused(file_of(tmp_path, name, text))
        assert any(words in what for _, _, what in found)
        if line is not None:
            assert found[0][0] == line

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("shots.txt", "must end in .yaml"),
            ("no/such/shots.yaml", "does not exist"),
            ("s3://boards/shots.yaml", "ObjectStoragePath"),
        ],
    )
    def test_what_is_no_storyboard_file(self, source: str, words: str, tmp_path: Path) -> None:
        if source.endswith(".txt"):
            source = str(file_of(tmp_path, source, "x"))
        with pytest.raises(InvalidArgument, match=words):
            Storyboard.load(source)

    @given(st.binary(max_size=300), st.sampled_from(["a.yaml", "a.json", "a.csv"]))
    def test_no_bytes_break_it(self, data: bytes, name: str) -> None:
        """Whatever the bytes are: a storyboard, or an error that says what is wrong."""
        with suppress(InvalidStoryboard):
            assert Storyboard.parse(data, f"s3://b/{name}").clips > 0


def test_the_error_can_be_told_more_about_the_money() -> None:
    from kling_airflow.errors import Money

    with pytest.raises(InvalidStoryboard) as caught:
        Storyboard.load([{"name": "a"}])
    told = caught.value.with_money(Money.IN_LEDGER)
    assert told.problems == caught.value.problems
    assert "The ledger says" in str(told)
    assert "`prompt`: is missing" in str(told)
