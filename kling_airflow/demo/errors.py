"""The error that ends a demo before its clip is made."""

from __future__ import annotations


class DemoError(Exception):
    """The demo can't continue.

    :param reason: what happened and what to do about it, for the person at the terminal.
    :param log_tail: the last lines of the log that shows why, oldest first; empty if no log has it.
    :param log_name: which log that is.
    """

    def __init__(self, reason: str, *, log_tail: str = "", log_name: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.log_tail = log_tail
        self.log_name = log_name
