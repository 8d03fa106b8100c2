"""Checks how a list is sorted, so that what is further back can be left unread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kling_airflow.gmi.request import Request

TOLERANCE: Final = 30.0
"""Seconds by which rows may stand in another order than their times say."""
OLD_ROWS: Final = 25
"""Older rows in a row before the rest counts as older too; a page can be smaller than that."""


class ListOrder:
    """Tells when all rows that follow are older than a moment.

    That is so after a whole page of older rows in a list that is sorted by time, newest first. The list may
    be sorted by creation or by the last change: a row's latest time counts, so that a row that is old but
    was changed recently is not taken for the end. If the rows are in no such order (a pinned row, another
    sorting), only the end of the list is the end.

    :param since: the moment, in Unix seconds.
    """

    def __init__(self, since: float) -> None:
        self.since = since
        self.past = False
        self._old_rows = 0
        self._lowest_created = self._lowest_stamp = float("inf")
        self._by_created = self._by_stamp = True
        self._changed = False

    def add(self, page: Iterable[Request]) -> None:
        """Add the rows of the next page, in the list's order."""
        whole_page_is_old = True
        for request in page:
            created, stamp = request.created_at, request.stamp
            if created is not None:
                self._by_created &= created <= self._lowest_created + TOLERANCE
                self._lowest_created = min(self._lowest_created, created)
            self._changed |= created is not None and stamp > created
            if stamp:
                self._by_stamp &= stamp <= self._lowest_stamp + TOLERANCE
                self._lowest_stamp = min(self._lowest_stamp, stamp)
            is_old = created is not None and stamp < self.since
            self._old_rows = self._old_rows + 1 if is_old else 0
            whole_page_is_old &= is_old
        in_order = self._by_created or self._by_stamp
        self.past = in_order and whole_page_is_old and self._old_rows >= OLD_ROWS

    @property
    def may_move(self) -> bool:
        """Whether a row that changes can move to the top: all but a list that is sorted by creation."""
        return not self._by_created or (self._by_stamp and self._changed)
