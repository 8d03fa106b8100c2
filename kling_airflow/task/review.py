"""What a person reads before deciding about takes: Markdown with the sheet, the problems and the price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MOST_ROWS = 100


def review_text(
    takes: Sequence[Mapping[str, Any]], *, sheet: str | None, cost_usd: float | None, next_usd: float | None
) -> str:
    """Return the body of a question about takes.

    :param takes: what ``CheckTakesOperator`` returned of each.
    :param sheet: an address of the contact sheet that a browser can open, or any address of it.
    :param cost_usd: what the takes have cost.
    :param next_usd: what an approval will cost; None if it costs nothing.
    """
    parts = []
    if sheet:
        is_link = sheet.startswith(("http://", "https://"))
        parts.append(f"[![contact sheet]({sheet})]({sheet})" if is_link else f"Contact sheet: `{sheet}`")
    spent = "not known" if cost_usd is None else f"${cost_usd:.2f}"
    parts.append(f"**Spent so far:** {spent} for {len(takes)} {'take' if len(takes) == 1 else 'takes'}.")
    parts.append(
        "**Approval costs nothing.**"
        if not next_usd
        else f"**Approval buys more: ${next_usd:.2f}.** A rejection buys nothing."
    )
    if takes:
        parts.append("\n".join(["| take | seconds | cost | problems |", "|---|---|---|---|", *_rows(takes)]))
    return "\n\n".join(parts)


def _rows(takes: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = []
    for take in takes[:_MOST_ROWS]:
        cost = take.get("cost_usd")
        cells = (
            take.get("title") or take.get("uri") or "",
            "" if take.get("seconds") is None else f"{float(take['seconds']):.1f}",
            "" if cost is None else f"${float(cost):.2f}",
            " ".join(map(str, take.get("problems") or ())) or "none",
        )
        rows.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    if len(takes) > _MOST_ROWS:
        rows.append(f"| and {len(takes) - _MOST_ROWS} more | | | |")
    return rows


def _cell(text: object) -> str:
    """Return a text that stays within its cell and is no markup: titles come from data."""
    plain = " ".join(str(text).split())[:200]
    return "".join(f"\\{char}" if char in "\\`*_[]<>|!" else char for char in plain)
