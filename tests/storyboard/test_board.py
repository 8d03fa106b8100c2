"""A storyboard is read from each format alike, and everything that is wrong with it is named at once."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import InvalidArgument
from kling_airflow.exceptions import InvalidArgument as AirflowInvalidArgument
from kling_airflow.exceptions import airflow_errors
from kling_airflow.storyboard import InvalidStoryboard, Shot, Storyboard
from tests.storyboard.boards import SHOT, as_json, file_of, refused

CHAINED: dict[str, Any] = {"name": "arrival", "prompt": "The camera glides."}
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

    @pytest.mark.parametrize(
        "text",
        [
            "sep=;\nname;prompt\na;x\n",
            "\n\nname,prompt\n\na,x\n,\n",
            "name,prompt,,\na,x,,\n",
            "name,prompt\na,x,,\n",
            "name,prompt\ra,x\r",
            '"name","prompt"\r\n"a","x"\r\n',
        ],
    )
    def test_habits_of_spreadsheets(self, tmp_path: Path, text: str) -> None:
        (shot,) = Storyboard.load(file_of(tmp_path, "a.csv", text))
        assert (shot.name, shot.options.values["prompt"]) == ("a", "x")

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
            ({"continues": "Launch", "frame": None}, "continues", "did you mean 'launch'?"),
            ({"name": "no", "continues": "no"}, "continues", "a word for false, and a shot has that name"),
            ({"prompt": float("nan")}, "prompt", "is nan"),
            ({"frame": "s3://"}, "frame", "the bucket is missing"),
            ({"frame": "s3://stills/"}, "frame", "the file name is missing"),
            ({"frame": "http://"}, "frame", "the host is missing"),
            ({"frame": "s3://key:secret@stills/a.png"}, "frame", "with a password"),
            ({"frame": "s3://stills/a\0.png"}, "frame", "NUL"),
            ({"frame": "s3://stills/a\n.png"}, "frame", "a control character"),
            ({"frame": "s3://stills/\ud800.png"}, "frame", "surrogate"),
        ],
    )
    def test_bad_input(self, fields: dict[str, Any], field: str, words: str) -> None:
        if fields == {"frame": None}:
            fields = {"frame": None, "prompt": None}
        found = refused([{**SHOT, **fields}])
        assert field in {each for _, each, _ in found}
        assert any(words in what for _, each, what in found if each == field)

    @pytest.mark.parametrize("frame", ["", "a.png", "s3://stills/", b"a.png"])
    def test_a_wrong_frame_is_one_error(self, frame: object) -> None:
        """The model is that of a shot with a frame, so that the frame is not called superfluous as well."""
        ((_, field, _),) = refused([{"name": "a", "prompt": "x", "frame": frame}])
        assert field == "frame"

    @pytest.mark.parametrize(
        "name", ["a/b", "..", "a" * 41, "a" * 300, "report", "Report", "-a", "a b", "a\n"]
    )
    def test_names_that_name_no_file(self, name: str) -> None:
        ((_, field, _),) = refused([{**SHOT, "name": name}])
        assert field == "name"

    @pytest.mark.parametrize("takes", [0, -1, 1.5, True, float("nan"), float("inf"), 1000, "", "three", b"3"])
    def test_takes_that_can_not_be(self, takes: object) -> None:
        ((_, field, what),) = refused([{**SHOT, "takes": takes}])
        assert (field, "it must be 1 to 20" in what) == ("takes", True)

    def test_names_in_two_normal_forms_are_one(self) -> None:
        first, second = (normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
        ((_, field, what),) = refused([{**SHOT, "name": first}, {**SHOT, "name": second}])
        assert (field, "another shot has that name" in what) == ("name", True)
        _, after = Storyboard.load([{**SHOT, "name": first}, {**CHAINED, "continues": second}])
        assert after.continues == first

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
            ("a.yaml", "# nothing\n", None, "empty"),
            ("a.yaml", "- name: a\n\tprompt: x\n", 2, "no YAML"),
            ("a.yaml", "- name: a\n  prompt: 'x\x07'\n", 2, "U+0007"),
            ("a.yaml", "- {name: a, prompt: x}\n- [b]\n", 2, "mapping of fields"),
            ("a.yaml", "- name: a\n  prompt: x\n  <<: [1]\n", 3, "brings in the fields of a mapping"),
            ("a.yaml", "- name: a\n  prompt: x\n  <<: b\n", 3, "brings in the fields of a mapping"),
            ("a.yaml", "- name: a\n  prompt: x\n  [b]: c\n", 3, "a key is a list or a mapping"),
            ("a.yaml", "version: [1]\nshots: [{name: a, prompt: x}]", 1, "is a list or a mapping; this"),
            ("a.yaml", "- {name: a, prompt: x}\n".encode("utf-16"), 1, "UTF-8"),
            ("a.json", '{"title": "\\ud800", "shots": [{"name": "a", "prompt": "x"}]}', 1, "surrogate"),
            ("a.json", '[{"name": "a", "prompt": NaN}]', 1, "is nan"),
            ("a.json", f'[{{"name": "a", "prompt": "x", "takes": {"9" * 5000}}}]', None, "4,000 digits"),
            ("a.json", '[{"name": "a",}]', 1, "no JSON"),
            ("a.json", '[{"name": "a", "prompt": "x", "prompt": "y"}]', 1, "stands twice"),
            ("a.json", "3", 1, "list of shots"),
            ("a.json", "[" * 100_000, None, ""),
            ("a.csv", "", 1, "empty"),
            ("a.csv", "name,prompt\n", None, "no shots"),
            ("a.csv", "name,prompt\na,one, two\n", 2, "3 cells"),
            ("a.csv", "name,name\na,b\n", 1, "two columns"),
            ("a.csv", "\n\nname,prompt,prompt\na,b\n", 3, "two columns"),
            ("a.csv", "name,,prompt\na,b,c\n", 2, "its cell 2 is 'b', and column 2 has no head"),
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

    def test_a_row_that_is_no_mapping_is_one_error(self) -> None:
        assert refused([SHOT, None, 3, ["a"]]) == [(None, None, "it must be a mapping of fields")] * 3

    def test_aliases_of_aliases_are_read_once(self, tmp_path: Path) -> None:
        """Written out, the aliases would be 9 to the power of 40 values."""
        rows = [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 41)]
        found = refused(file_of(tmp_path, "a.yaml", "\n".join(["- &a0 [x]", *rows])))
        assert len(found) == 41

    def test_a_line_end_in_a_key_breaks_no_error(self) -> None:
        ((_, field, _),) = refused([{**SHOT, "a\nb\ud800": 1}])
        assert field == r"a\nb\ud800"

    def test_a_folder_and_a_name_that_no_file_has(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgument, match="is a folder"):
            Storyboard.load(tmp_path)
        with pytest.raises(InvalidArgument, match="a character that no file name has"):
            Storyboard.load("a\0.yaml")

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
