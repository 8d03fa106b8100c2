"""A storyboard: read, checked, and priced."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Self

from kling_airflow.addresses import read_address, shown
from kling_airflow.errors import InvalidArgument
from kling_airflow.storyboard.addresses import Base, file_of
from kling_airflow.storyboard.cells import Written
from kling_airflow.storyboard.check import check
from kling_airflow.storyboard.formats import MAX_BYTES, SUFFIXES, read_bytes, read_python
from kling_airflow.storyboard.problems import InvalidStoryboard
from kling_airflow.storyboard.shot import Shot
from kling_airflow.storyboard.tree import VERSION

if TYPE_CHECKING:
    from kling_airflow.storyboard.price import StoryboardPrice


@dataclass(frozen=True, slots=True)
class Storyboard:
    """Shots in order, each checked.

    :param shots: the shots.
    :param title: the title; None if it has none.
    :param file: where it was read from, for people.
    """

    shots: tuple[Shot, ...]
    title: str | None = None
    file: str = "storyboard"

    @classmethod
    def load(cls, source: Any) -> Self:
        """Read a storyboard and check all of it.

        :param source: a ``.yaml``, ``.json`` or ``.csv`` file as a path, its text, or an
            ``ObjectStoragePath``; or a list of dicts, or a dict with ``shots``.
        :raises InvalidStoryboard: naming everything that is wrong, with file, line and field.
        :raises InvalidArgument: if the file can't be read.
        """
        if isinstance(source, cls):
            return source
        if isinstance(source, str | PurePath) or hasattr(source, "read_bytes"):
            return cls.parse(*_file(source))
        return cls._made(read_python(source), "storyboard", Base())

    @classmethod
    def parse(cls, data: bytes, address: str) -> Self:
        """Read the content of a file.

        :param address: the file's address: its suffix names the format, and relative frames begin in its
            folder.
        :raises InvalidStoryboard: naming everything that is wrong.
        """
        suffix = PurePath(address.partition("?")[0]).suffix.lower()
        if suffix not in SUFFIXES:
            raise InvalidArgument(
                f"The storyboard is {shown(address)}; its name must end in {', '.join(SUFFIXES)}."
            )
        name = shown(address)
        return cls._made(read_bytes(data, suffix), name.removeprefix("file://"), Base.of_file(address))

    @classmethod
    def _made(cls, written: Written, file: str, base: Base) -> Self:
        shots, problems = check(written, base)
        if problems:
            raise InvalidStoryboard(file, problems)
        return cls(shots, written.title, file)

    @property
    def clips(self) -> int:
        """How many clips it makes, takes counted."""
        return sum(shot.takes for shot in self.shots)

    @property
    def seconds(self) -> int:
        """How many seconds one take of each shot has together."""
        return sum(shot.options.duration or 0 for shot in self.shots)

    def __iter__(self) -> Iterator[Shot]:
        """Return the shots, in order."""
        return iter(self.shots)

    def price(self, describe: Callable[[str], Mapping[str, Any] | None] | None = None) -> StoryboardPrice:
        """Return what it costs, shot by shot.

        :param describe: returns the queue's catalog entry of a model; None goes by the table of models alone.
        """
        from kling_airflow.storyboard.price import price

        return price(self.shots, describe)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON that can be loaded again."""
        title = {} if self.title is None else {"title": self.title}
        return {"version": VERSION, **title, "shots": [shot.to_json() for shot in self.shots]}


def _file(source: Any) -> tuple[bytes, str]:
    """Return the content and the address of a file."""
    if isinstance(source, str) and "://" in source and not source.startswith("file://"):
        raise InvalidArgument(
            f"The storyboard is {shown(source)}, a text; give ObjectStoragePath({shown(source)!r})."
        )
    if isinstance(source, str):
        from kling_airflow.addresses import file_path

        source = Path(file_path(source) if source.startswith("file://") else source)
    local = isinstance(source, PurePath) and not hasattr(source, "protocol")
    address = file_of(Path(os.fspath(source))) if local else read_address("storyboard", source)
    try:
        with (Path(source) if local else source).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InvalidArgument(f"The storyboard {shown(address)} does not exist.") from None
    except IsADirectoryError:
        raise InvalidArgument(f"The storyboard {shown(address)} is a folder; name a file.") from None
    except ValueError:
        raise InvalidArgument(f"The storyboard {address!r} has a character that no file name has.") from None
    except OSError as error:
        raise InvalidArgument(
            f"The storyboard {shown(address)} can't be read: {type(error).__name__}."
        ) from error
    return bytes(data), address
