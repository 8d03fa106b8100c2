"""What is wrong with a storyboard: each problem with its place, and all of them in one error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kling_airflow.errors import InvalidArgument

SHOWN: Final = 50
"""Problems that the text of the error lists; the error holds all of them."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    :param what: what is wrong, with the value and the limit.
    :param field: the field; None if the problem is about the whole shot or the whole file.
    :param shot: the shot's name, or ``shot 3`` if it has none; None for the whole file.
    :param line: the line of the file, 1 for the first; None if it isn't known, or there is no file.
    """

    what: str
    field: str | None = None
    shot: str | None = None
    line: int | None = None

    def text(self, file: str) -> str:
        """Return the problem in one line, with its place as editors write it: ``file:line:``."""
        place = file if self.line is None else f"{file}:{self.line}"
        parts = [self.shot, None if self.field is None else f"`{self.field}`"]
        about = ", ".join(part for part in parts if part)
        return f"{place}: {f'{about}: ' if about else ''}{self.what}"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"line": self.line, "shot": self.shot, "field": self.field, "what": self.what}


class InvalidStoryboard(InvalidArgument):
    """A storyboard can't be used; nothing was sent.

    :param file: the storyboard's name, for people.
    :param problems: everything that is wrong; none only in a copy that is being made.
    """

    default_todo = "Correct the storyboard and run the task again."

    def __init__(self, file: str, problems: Sequence[Problem] = (), **known: Any) -> None:
        self.file = file
        self.problems = tuple(problems)
        lines = [problem.text(file) for problem in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"... and {len(self.problems) - SHOWN} more")
        count = "1 error" if len(self.problems) == 1 else f"{len(self.problems)} errors"
        super().__init__("\n".join([f"The storyboard {file} has {count}:", *lines]), **known)
