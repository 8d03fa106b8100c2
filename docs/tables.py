"""Marks tables of long texts, for mkdocs.yml: on a phone the stylesheet shows their rows as cards."""

from __future__ import annotations

import re
from typing import Any, Final

from bs4 import BeautifulSoup

_LONG: Final = 48
"""Characters of a cell that needs half of a phone's width."""
_NAME: Final = 32
"""Characters of code that may stay in one line; the stylesheet breaks longer ones."""


def on_page_content(html: str, **_: Any) -> str:
    """Return a page's HTML; cells of tables of long texts carry the name of their column."""
    return re.sub(r"<table>.*?</table>", lambda found: _marked(found[0]), html, flags=re.DOTALL)


def _marked(html: str) -> str:
    soup = BeautifulSoup(html, "html.parser")
    names = [cell.get_text(" ", strip=True) for cell in soup.select("thead th")]
    rows = [row.find_all("td") for row in soup.select("tbody tr")]
    longest = [
        max((len(cell.get_text()) for row in rows for cell in row[at : at + 1]), default=0)
        for at in range(len(names))
    ]
    wordy = len(names) >= 3 and sum(longest) >= 2 * _LONG and max(longest) >= _LONG
    if not wordy and not (len(names) == 2 and longest[0] >= _LONG):
        return html
    soup.table["data-cards"] = ""  # a class would take the theme's style away
    for row in rows:
        for name, cell in zip(names, row, strict=False):
            if cell.get_text(strip=True):
                cell["data-name"] = name
            else:
                cell["data-empty"] = ""
            for code in cell.find_all("code"):
                if len(code.get_text()) > _NAME:
                    code["data-long"] = ""
    return str(soup)
