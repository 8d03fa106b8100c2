"""Checks the rows of a storyboard, all of them, and makes shots of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final
from unicodedata import normalize

from kling_airflow import models
from kling_airflow.arguments import switch_or_none, whole_number
from kling_airflow.errors import InvalidArgument
from kling_airflow.models import ModelSpec, spec_of
from kling_airflow.payloads import ClipOptions
from kling_airflow.storyboard.addresses import Base
from kling_airflow.storyboard.cells import Cell, Row, Written
from kling_airflow.storyboard.chain import chain_problems
from kling_airflow.storyboard.problems import Problem
from kling_airflow.storyboard.scalars import text_of
from kling_airflow.storyboard.shot import FIELDS, FRAMES, OPTIONS, SHOT_MODELS, Shot

NAME: Final = re.compile(r"[^\W_][\w-]{0,39}")
"""A shot's name: letters, digits, ``_`` and ``-``, up to 40, beginning with a letter or a digit."""
RESERVED: Final = frozenset({"report"})
"""Names of other files beside the clips: ``report.json``."""
MAX_TAKES: Final = 20
MAX_CLIPS: Final = 400
"""Clips of one storyboard, takes counted: what one task carries through its deferrals."""
OF_A_SHOT_ALONE: Final = ("name", "frame", "end_frame", "continues")
"""Fields that ``defaults`` can't have."""
_CALLED: Final = {
    "image": "frame",
    "start_frame": "frame",
    "image_tail": "end_frame",
    "length": "duration",
    "seconds": "duration",
    "label": "name",
    "take": "takes",
}


def check(written: Written, base: Base) -> tuple[tuple[Shot, ...], list[Problem]]:
    """Return the shots that can be used, and everything that is wrong.

    :param base: where relative addresses of frames begin.
    """
    checker = _Checker(written, base)
    shots = [shot for number, row in enumerate(written.rows, 1) if (shot := checker.shot(number, row))]
    problems = [*written.problems, *checker.problems]
    if not written.rows and not problems:
        problems.append(Problem("it has no shots", line=written.defaults.line))
    if not problems:
        problems += chain_problems(shots)
    clips = sum(shot.takes for shot in shots)
    if clips > MAX_CLIPS:
        what = f"it has {clips} clips, takes counted; the limit is {MAX_CLIPS}. Split it into several"
        problems.append(Problem(what))
    return tuple(shots), sorted(problems, key=lambda problem: problem.line or 0)


class _Checker:
    """The checks of one storyboard; problems are collected."""

    def __init__(self, written: Written, base: Base) -> None:
        self.defaults = written.defaults
        self.base = base
        self.problems: list[Problem] = []
        self.names: dict[str, int | None] = {}
        self.before: str | None = None
        self.all_names = {
            str(row.cells["name"].value).casefold() for row in written.rows if "name" in row.cells
        }
        self._unknown("defaults", self.defaults, OF_A_SHOT_ALONE)

    def shot(self, number: int, row: Row) -> Shot | None:
        """Return the shot of a row; None if something is wrong with it."""
        if not row.readable:
            self.before = None
            return None
        count = len(self.problems)
        cells = {**self.defaults.cells, **row.cells}
        name, label = self._name(number, row, cells)
        self._unknown(label, row, ())
        before, self.before = self.before, name
        continues = self._continues(label, cells.get("continues"), before, number)
        frames = {field: self._frame(label, field, cells.get(field)) for field in FRAMES}
        spec = self._spec(label, cells.get("model"), begins="frame" in cells or continues is not None)
        takes = self._takes(label, cells.get("takes"))
        if spec is None:
            return None
        self._check_frames(label, row, spec, cells, continues)
        options = self._options(label, row, spec, cells)
        if len(self.problems) > count or options is None or name is None:
            return None
        return Shot(name, options, frames["frame"], frames["end_frame"], takes, continues, row.line)

    def _add(self, what: str, field: str | None, shot: str, line: int | None) -> None:
        self.problems.append(Problem(what, field, shot, line))

    def _unknown(self, label: str, row: Row, refused: Sequence[str]) -> None:
        known = [field for field in FIELDS if field not in refused]
        for field, cell in row.cells.items():
            if field in known:
                continue
            if field in FIELDS:
                what = "stands in `defaults`; each shot has its own"
            elif field in _CALLED:
                what = f"is no field of a shot; it is called `{_CALLED[field]}`"
            else:
                close = get_close_matches(field, known, 1)
                hint = f"did you mean `{close[0]}`?" if close else f"a shot has {', '.join(known)}"
                what = f"is no field of a shot; {hint}"
            self._add(what, field, label, cell.line)

    def _text(self, label: str, field: str, cell: Cell | None) -> str | None:
        if cell is None:
            return None
        text, problem = text_of(cell.value)
        if problem is not None:
            self._add(problem, field, label, cell.line)
        return text

    def _name(self, number: int, row: Row, cells: Mapping[str, Cell]) -> tuple[str | None, str]:
        label = f"shot {number}"
        cell = cells.get("name")
        if cell is None:
            self._add("is missing; it names the shot's files and its orders", "name", label, row.line)
            return None, label
        name = self._text(label, "name", cell)
        if name is None:
            return None, label
        name = normalize("NFC", name)
        if not NAME.fullmatch(name):
            what = (
                f"is {name[:80]!r}; it must be of letters, digits, `_` and `-`, begin with a letter or a"
                " digit, and have 40 characters at most"
            )
            self._add(what, "name", label, cell.line)
            return None, label
        if name.casefold() in RESERVED:
            self._add(f"is {name!r}; a file beside the clips has that name", "name", label, cell.line)
            return None, label
        if name.casefold() in self.names:
            first = self.names[name.casefold()]
            place = "" if first is None else f", in line {first}"
            self._add(f"is {name!r}, and another shot has that name{place}", "name", label, cell.line)
            return None, label
        self.names[name.casefold()] = cell.line
        return name, f"shot {name!r}"

    def _continues(self, label: str, cell: Cell | None, before: str | None, number: int) -> str | None:
        if cell is None:
            return None
        try:
            switch = switch_or_none("continues", cell.value)
        except InvalidArgument:
            text = self._text(label, "continues", cell)
            return None if text is None else normalize("NFC", text)
        if isinstance(cell.value, str) and cell.value.casefold() in self.all_names:
            word = str(switch).lower()
            what = f"is {cell.value!r}, a word for {word}, and a shot has that name; rename the shot"
            self._add(what, "continues", label, cell.line)
        if not switch:
            return None
        if number == 1:
            self._add("is true, and there is no shot before this one", "continues", label, cell.line)
        return before

    def _frame(self, label: str, field: str, cell: Cell | None) -> str | None:
        if cell is None:
            return None
        if not isinstance(cell.value, str) and not isinstance(cell.value, bool | int | float):
            value: Any = cell.value
        else:
            value = self._text(label, field, cell)
            if value is None:
                return None
        try:
            return self.base.address(field, value)
        except InvalidArgument as error:
            self._add(error.what.removeprefix(f"`{field}` ").rstrip("."), field, label, cell.line)
            return None

    def _spec(self, label: str, cell: Cell | None, *, begins: bool) -> ModelSpec | None:
        if cell is None:
            return spec_of(models.IMAGE_TO_VIDEO if begins else models.TEXT_TO_VIDEO)
        model = self._text(label, "model", cell)
        if model is None:
            return None
        try:
            return spec_of(model, among=SHOT_MODELS)
        except InvalidArgument:
            what = f"is {model!r}; known are {', '.join(SHOT_MODELS)}"
            self._add(what, "model", label, cell.line)
            return None

    def _takes(self, label: str, cell: Cell | None) -> int:
        if cell is None:
            return 1
        try:
            takes = whole_number("takes", cell.value, least=1)
        except InvalidArgument:
            takes = 0
        if not 1 <= takes <= MAX_TAKES or isinstance(cell.value, bool):
            self._add(f"is {cell.value!r}; it must be 1 to {MAX_TAKES}", "takes", label, cell.line)
        return takes

    def _check_frames(
        self, label: str, row: Row, spec: ModelSpec, cells: Mapping[str, Cell], continues: str | None
    ) -> None:
        for field, argument in FRAMES.items():
            if field in cells and argument not in spec.frame_arguments:
                self._add(f"is given, and {spec.id} has no such frame", field, label, cells[field].line)
        if continues is not None and "frame" in cells:
            what = "is given, and the shot `continues` another: it begins on that one's last frame"
            self._add(what, "frame", label, cells["frame"].line)
        if continues is not None and spec.start_frame is None:
            what = f"is given, and {spec.id} begins on no frame"
            self._add(what, "continues", label, cells["continues"].line)
        if spec.start_frame is not None and continues is None and "frame" not in cells:
            what = f"is missing; {spec.id} begins on a frame"
            self._add(what, "frame", label, row.line)

    def _options(
        self, label: str, row: Row, spec: ModelSpec, cells: Mapping[str, Cell]
    ) -> ClipOptions | None:
        given: dict[str, Any] = {}
        for field in OPTIONS:
            if (cell := cells.get(field)) is None:
                continue
            value = cell.value if field in {"duration", "sound"} else self._text(label, field, cell)
            if value is not None:
                given[field] = value
        options, problems = ClipOptions.read(spec, given)
        for field, sentence in problems.items():
            if field not in cells and field in OPTIONS and field not in given:
                self._add("is missing", field, label, row.line)
            elif field in given:
                what = sentence.removeprefix(f"`{field}` ")
                self._add(what, field, label, cells[field].line)
        return None if problems else options
