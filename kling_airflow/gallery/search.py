"""What a person looks for in the gallery, and the page of entries that fits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final, Self
from urllib.parse import urlencode

from kling_airflow.gallery.entry import STATES, GalleryEntry

PAGE: Final = 24
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; "" means anything.

    :param text: words, each of which must be in prompt, name, ids or model.
    :param dag: the DAG's id.
    :param since: the first day, UTC.
    :param until: the last day, UTC.
    :param state: one of ``STATES``.
    :param kind: "clip" or "film".
    :param page: 1 for the first.
    """

    text: str = ""
    dag: str = ""
    since: str = ""
    until: str = ""
    state: str = ""
    kind: str = ""
    page: int = 1

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Self:
        """Return what an address asks for; what makes no sense in it means anything."""

        def day(name: str) -> str:
            return value if _DAY.fullmatch(value := query.get(name, "")) else ""

        page = query.get("page", "")
        state, kind = query.get("state", ""), query.get("kind", "")
        return cls(
            text=query.get("text", "").strip()[:_LONGEST],
            dag=query.get("dag", ""),
            since=day("since"),
            until=day("until"),
            state=state if state in STATES else "",
            kind=kind if kind in {"clip", "film"} else "",
            page=max(1, int(page)) if re.fullmatch(r"[0-9]{1,6}", page) else 1,
        )

    @property
    def is_narrow(self) -> bool:
        """Whether anything at all is asked for."""
        return replace(self, page=1) != Search()

    def query(self, page: int) -> str:
        """Return the query of another page of the same search."""
        names = ("text", "dag", "since", "until", "state", "kind")
        values = {name: value for name in names if (value := getattr(self, name))}
        return urlencode(values | ({"page": page} if page > 1 else {}))

    def found(self, entries: Sequence[GalleryEntry], dags: AbstractSet[str]) -> list[GalleryEntry]:
        """Return what fits, in the order of the entries.

        :param dags: the DAGs that the person may read; entries of others, and of none, are left out.
        """
        words = self.text.lower().split()
        return [
            entry
            for entry in entries
            if entry.dag_id in dags and self._fits(entry) and all(word in _text(entry) for word in words)
        ]

    def _fits(self, entry: GalleryEntry) -> bool:
        return (
            (not self.dag or entry.dag_id == self.dag)
            and (not self.since or entry.day >= self.since)
            and (not self.until or entry.day <= self.until)
            and (not self.state or entry.state == self.state)
            and (not self.kind or entry.kind == self.kind)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One page of what was found.

    :param entries: of this page.
    :param number: 1 for the first.
    :param pages: how many there are, at least one.
    :param total: how many entries there are.
    """

    entries: list[GalleryEntry]
    number: int
    pages: int
    total: int

    @classmethod
    def of(cls, found: list[GalleryEntry], number: int) -> Self:
        """Return a page; the last one for a number that is too large."""
        pages = max(1, -(-len(found) // PAGE))
        number = min(number, pages)
        return cls(found[(number - 1) * PAGE : number * PAGE], number, pages, len(found))


def _text(entry: GalleryEntry) -> str:
    name = entry.path.removesuffix(".mp4")
    ids = (entry.request_id, entry.dag_id, entry.run_id, entry.task_id, entry.model)
    return "\n".join((entry.prompt, name, *ids)).lower()
