"""The site that is built of the docs: links lead somewhere, the search finds, a phone shows it."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest
import yaml

from tests.docs.chromium import find, showing
from tests.docs.error_texts import GAP
from tests.docs.runbook_pages import PAGES, entries

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WORDS = {
    "throttle": "operations/limits/",
    "429": "operations/limits/",
    "MWAA": "getting-started/mwaa/",
    "troubleshoot": "troubleshooting/",
    "storyboard": "storyboard/",
    "upgrade": "operations/upgrade/",
    "runbook": "runbook/",
    "checklist": "operations/production/",
    "pool": "operations/",
    "changelog": "changelog/",
    "KlingImageToVideoOperator": "reference/operators/",
    "UnresolvedSubmission": "runbook/submission/",
    "the queue has no capacity": "runbook/queue/",
    "rate limit is reached": "runbook/queue/",
    "account has no credit left": "runbook/queue/",
    "Bought more than once": "runbook/log/",
    "can't be decoded in full": "runbook/media/",
}
"""What a person types, and the page that must be among what is found."""

TABLES = [f"/{page}/" for page in ("costs", "operations/kubernetes", "simulator", "storyboard", "waiting")]
"""Pages with tables of many columns, or of long code."""

pytestmark = pytest.mark.timeout(1200)


@dataclass
class Page(HTMLParser):
    """What a built page links to, and where it can be linked to."""

    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [value for name in ("href", "src") if (value := given.get(name))]
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make check` builds it."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """Each built page by its address below the site's root."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        address = path.relative_to(site).as_posix().removesuffix("index.html")
        found[address] = Page()
        found[address].feed(path.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def index(site: Path) -> list[dict[str, str]]:
    return list(json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"])


def in_navigation() -> list[str]:
    """Return the Markdown files that the navigation names, in its order."""

    def walk(part: Any) -> Iterator[str]:
        if isinstance(part, str):
            yield part
        for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            yield from walk(each)

    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    return list(walk(yaml.safe_load("nav:" + text.partition("\nnav:")[2])["nav"]))


def address_of(source: str) -> str:
    """Return the address at which a Markdown file is shown."""
    return re.sub(r"(^|/)index/$", r"\1", source.removesuffix(".md") + "/")


def test_every_page_is_in_the_navigation() -> None:
    assert sorted(in_navigation()) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def test_no_link_and_no_anchor_is_broken(site: Path, pages: dict[str, Page]) -> None:
    broken = []
    base = "https://site.example/"
    for address, page in pages.items():
        if address == "404.html":
            continue  # it is shown at any address, so its links begin at the site's planned address
        for link in page.links:
            whole = urlsplit(urljoin(base + address, link))
            if whole.netloc != "site.example":
                continue
            target, anchor = unquote(whole.path.lstrip("/")), unquote(whole.fragment)
            if target in pages:
                if anchor and anchor not in pages[target].anchors and not anchor.startswith("__"):
                    broken.append(f"{address}: {link}")
            elif not (site / target).is_file():
                broken.append(f"{address}: {link}")
    assert not broken


def test_nothing_is_fetched_from_elsewhere(pages: dict[str, Page], site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<(?:script|img|iframe|video|audio|source)[^>]*\ssrc=\"?https?:", text), path
        assert not re.search(r"<link[^>]*rel=\"?stylesheet[^>]*href=\"?https?:", text), path


def test_each_page_is_there_as_markdown_and_in_llms_txt(site: Path) -> None:
    listed = (site / "llms.txt").read_text(encoding="utf-8")
    everything = (site / "llms-full.txt").read_text(encoding="utf-8")
    assert listed.startswith("# kling_airflow\n\n> ")
    for source in in_navigation():
        markdown = f"{address_of(source)}index.md"
        text = (site / markdown).read_text(encoding="utf-8")
        assert text.startswith("# "), markdown
        assert f"kling_airflow/{markdown})" in listed, markdown
        assert text.splitlines()[0] in everything


def test_a_markdown_page_keeps_code_and_tables(site: Path) -> None:
    text = (site / "quickstart" / "index.md").read_text(encoding="utf-8")
    assert "KlingImageToVideoOperator(" in text
    assert re.search(r"^\| option +\| meaning", text, re.MULTILINE)


def test_the_reference_describes_each_argument(site: Path) -> None:
    from kling_airflow.operators.image_to_video import KlingImageToVideoOperator

    text = (site / "reference" / "operators" / "index.md").read_text(encoding="utf-8")
    section = text.partition("\n## KlingImageToVideoOperator\n")[2].partition("\n## ")[0]
    for name in ("image", "prompt", "image_tail", "model", "duration", "sound", "max_cost_usd"):
        assert f"- **`{name}`**" in section
    described = re.findall(r":param (\w+):", KlingImageToVideoOperator.__doc__ or "")
    assert len(described) > 5
    assert set(described) <= set(re.findall(r"- \*\*`(\w+)`\*\*", section))
    assert ":class:" not in text
    assert "::" not in re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def test_the_index_has_each_text_of_the_runbook(index: list[dict[str, str]]) -> None:
    found = {entry["location"]: entry["title"] for entry in index}
    for name in PAGES:
        for anchor, text in entries(name):
            title = re.sub(r"<[^>]*>", "", found[f"runbook/{name}/#{anchor}"])
            words = re.findall(r"[A-Za-z]{3,}", text.what.replace(GAP, " "))
            assert all(word in title for word in words), text.what


class Served(SimpleHTTPRequestHandler):
    """Serves the site, and takes what the browser has seen."""

    jobs: dict[str, Any]
    said: dict[str, Any]
    done: threading.Event

    def do_GET(self) -> None:
        if self.path == "/__jobs":
            return self._answer(json.dumps(self.jobs).encode(), "application/json")
        if self.path == "/__look":
            return self._answer((Path(__file__).parent / "look.html").read_bytes(), "text/html")
        return super().do_GET()

    def do_POST(self) -> None:
        self.said.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(b"{}", "application/json")
        self.done.set()

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def seen(site: Path) -> dict[str, Any]:
    """What Chromium sees of each page in the width of a phone, and finds in the search."""
    find()

    pages = [f"/{address_of(source)}" for source in in_navigation()]
    jobs = {"pages": pages, "searches": list(WORDS), "tables": TABLES}
    members = {"jobs": jobs, "said": {}, "done": threading.Event()}
    handler = type("Handler", (Served,), members)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with showing(f"http://127.0.0.1:{server.server_port}/__look"):
            assert handler.done.wait(900), "the browser has said nothing"
        server.shutdown()
    assert handler.said["error"] is None
    return handler.said


def test_no_page_is_wider_than_a_phone(seen: dict[str, Any]) -> None:
    assert len(seen["pages"]) == len(in_navigation())
    assert {page: look for page, look in seen["pages"].items() if look["width"] > 390 or look["beyond"]} == {}


def test_rows_of_long_tables_are_cards_on_a_phone(seen: dict[str, Any]) -> None:
    edges = seen["pages"]["/costs/"]["cards"]
    assert len(edges) >= 2
    assert all(0 < right <= 390 for right in edges)


def test_a_wide_table_fits_a_laptop(seen: dict[str, Any]) -> None:
    assert seen["scrolling"] == {page: [] for page in TABLES}


def test_every_picture_is_shown(seen: dict[str, Any]) -> None:
    assert {page: look["broken"] for page, look in seen["pages"].items() if look["broken"]} == {}


@pytest.mark.parametrize("words", WORDS)
def test_the_search_finds(seen: dict[str, Any], words: str) -> None:
    found = [urlsplit(link).path for link in seen["searches"][words]]
    assert any(path.startswith((f"/{WORDS[words]}", WORDS[words])) for path in found), found
