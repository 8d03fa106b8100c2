"""Every text that the package can fail with, read from its source: what the runbook must explain.

A text is what the first argument of an error can be, with "…" for each value that is only known at run time.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from kling_airflow import errors, exceptions
from kling_airflow.errors import KlingError, Money
from kling_airflow.storyboard.problems import InvalidStoryboard
from kling_airflow.task.stop import TaskStopped

ROOT = Path(__file__).parents[2] / "kling_airflow"
BESIDE = {"simulator", "demo"}
"""Rooms that no task of a user's runs; the demo's errors are read by themselves."""
GAP = "…"
AS_SAID = "As the text in the log says."

KINDS: dict[str, type[KlingError]] = {
    name: kind
    for home in (exceptions, errors)
    for name, kind in vars(home).items()
    if isinstance(kind, type) and issubclass(kind, KlingError)
} | {"InvalidStoryboard": InvalidStoryboard, "TaskStopped": TaskStopped}

# Verdicts: texts that are no argument of an error, and reach a person all the same.
VERDICTS = {
    ("media/clip_check.py", "_check_pictures"): "InvalidClip",
    ("media/clip_check.py", "_check_duration"): "InvalidClip",
    ("media/clip_check.py", "_check_sound"): "InvalidClip",
    ("media/film/take_check.py", "_problems"): "CheckTakesOperator",
}
PARTS = {"models/check.py", "models/omni.py", "models/sources.py", "payloads.py", "gmi/catalog.py"}
"""Where the things that can be wrong with a payload are found; an error lists them, joined by semicolons."""
LOGGED = ("submission/", "task/", "task_instance/", "polling/", "sensors/", "triggers/", "operators/")
"""Where a warning is about a request or its money."""


@dataclass
class Text:
    """A text, and what the source says of it.

    :param kind: the class of the error, "warning" or "error" of a line of the log, or the task of a verdict.
    """

    kind: str
    what: str
    money: list[str] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


class Source:
    """One module of the package."""

    def __init__(self, path: Path) -> None:
        self.file = path.relative_to(ROOT).as_posix()
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.functions = {
            node.name: node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self.module = import_module(
            ".".join(("kling_airflow", *path.relative_to(ROOT).with_suffix("").parts))
        )

    def calls(self) -> Iterator[tuple[ast.Call, ast.AST, str]]:
        """Each call, the function that it stands in, and the class around it."""

        def walk(node: ast.AST, scope: ast.AST, owner: str) -> Iterator[tuple[ast.Call, ast.AST, str]]:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.Call):
                    yield child, scope, owner
                inner = child if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else scope
                yield from walk(child, inner, child.name if isinstance(child, ast.ClassDef) else owner)

        return walk(self.tree, self.tree, "")

    def texts(self, node: ast.AST, scope: ast.AST, depth: int = 0) -> list[str]:
        """Return what an expression can be, as far as the source tells; [GAP] if it doesn't."""
        match node:
            case ast.Constant(value=str()):
                return [str(node.value)]
            case ast.JoinedStr():
                return self._joined(node.values, scope, depth)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._joined([left, right], scope, depth)
            case ast.BinOp(left=left, op=ast.Mod()):
                return [re.sub(r"%[-+.\d]*[a-z]", GAP, text) for text in self.texts(left, scope, depth)]
            case ast.FormattedValue(value=value) | ast.Call(func=ast.Attribute(value=value, attr="rstrip")):
                return self.texts(value, scope, depth)
            case ast.IfExp(body=body, orelse=orelse):
                return [*self.texts(body, scope, depth), *self.texts(orelse, scope, depth)]
            case ast.BoolOp(values=values):
                return [text for value in values for text in self.texts(value, scope, depth)]
            case ast.Name(id=name) if depth < 4:
                return self._named(name, scope, depth)
            case ast.Call(func=ast.Name(id=name)) if name in self.functions and depth < 3:
                return self._returned(self.functions[name], depth)
        return [GAP]

    def _joined(self, parts: list[Any], scope: ast.AST, depth: int) -> list[str]:
        some = [self.texts(part, scope, depth + 1) for part in parts]
        return ["".join(texts[0] if len(texts) == 1 else GAP for texts in some)]

    def _named(self, name: str, scope: ast.AST, depth: int) -> list[str]:
        known = getattr(self.module, name, None)
        if name.isupper() and isinstance(known, str | int | float):
            return [str(known)]
        found = [
            text
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign | ast.AugAssign)
            for target, value in _assigned(node)
            if isinstance(target, ast.Name) and target.id == name
            for text in self.texts(value, scope, depth + 1)
        ]
        return found or [GAP]

    def _returned(self, function: ast.FunctionDef | ast.AsyncFunctionDef, depth: int) -> list[str]:
        return [
            text
            for node in ast.walk(function)
            if isinstance(node, ast.Return) and node.value is not None
            for text in self.texts(node.value, function, depth + 1)
        ] or [GAP]

    def money(self, node: ast.AST | None, kind: type[KlingError]) -> list[str]:
        """Return the words about the money that an argument can be."""
        if node is None:
            return [kind.default_money.value]
        found = {
            Money[inner.attr].value
            for inner in ast.walk(node)
            if isinstance(inner, ast.Attribute) and inner.attr in Money.__members__
        }
        return sorted(found) if found and not isinstance(node, ast.Call) else [AS_SAID]

    def todo(self, node: ast.AST | None, scope: ast.AST, kind: type[KlingError]) -> list[str]:
        """Return what an argument can tell the reader to do."""
        if node is None or (isinstance(node, ast.Constant) and node.value is None):
            return [kind.default_todo] if kind.default_todo else []
        return [text if _speaks(text) else AS_SAID for text in self.texts(node, scope)]


def _assigned(node: ast.Assign | ast.AugAssign) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Each name and what it gets; of ``a, b = 1, 2`` both."""
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from zip(target.elts, node.value.elts, strict=False)
        elif not isinstance(node, ast.AugAssign):
            yield target, node.value


def _speaks(text: str) -> bool:
    """Whether a text has words of its own, so that it can be looked up."""
    return len(re.findall(r"[A-Za-z]{2,}", text.replace(GAP, " "))) >= 2


@cache
def sources() -> tuple[Source, ...]:
    """Return every module that a task of a user's can fail in."""
    paths = sorted(path for path in ROOT.rglob("*.py") if not BESIDE & set(path.relative_to(ROOT).parts))
    return tuple(Source(path) for path in paths if path.name != "retry_policy.py")


def relays() -> set[str]:
    """Return the first arguments of errors without words of their own: they pass another text on."""
    return {
        f"{source.file}: {ast.unparse(call.args[0])}"
        for source in sources()
        for call, scope, owner in source.calls()
        if _kind(call, owner)
        and call.args
        and not any(_speaks(text) for text in source.texts(call.args[0], scope))
    }


def _kind(call: ast.Call, owner: str) -> str | None:
    name = ast.unparse(call.func).rpartition(".")[2]
    if name == "cls" and owner in KINDS:
        return owner
    return name if name in KINDS else None


def _found() -> Iterator[Text]:
    for source in sources():
        for call, scope, owner in source.calls():
            kind = _kind(call, owner)
            if kind and call.args:
                yield from _of_error(source, call, scope, kind)
            yield from _logged(source, call, scope)
        yield from _verdicts(source)
        yield from _problems(source)
        yield from _parts(source)


def _of_demo() -> Iterator[Text]:
    for path in sorted((ROOT / "demo").glob("*.py")):
        source = Source(path)
        for call, scope, _ in source.calls():
            if ast.unparse(call.func) in {"DemoError", "self._error"} and call.args:
                for what in filter(_speaks, source.texts(call.args[0], scope)):
                    yield Text("DemoError", what, files=[source.file])


def _of_error(source: Source, call: ast.Call, scope: ast.AST, kind: str) -> Iterator[Text]:
    arguments = {keyword.arg: keyword.value for keyword in call.keywords}
    money = source.money(arguments.get("money"), KINDS[kind])
    todo = source.todo(arguments.get("todo"), scope, KINDS[kind])
    several = source.texts(call.args[0], scope)
    for number, what in enumerate(several):
        if _speaks(what):
            # Branches that give a text and its advice each give as many of the one as of the other.
            branch = [todo[number]] if len(todo) == len(several) else todo if len(several) == 1 else [AS_SAID]
            yield Text(kind, what, list(money), branch if len(todo) > 1 else list(todo), [source.file])


def _logged(source: Source, call: ast.Call, scope: ast.AST) -> Iterator[Text]:
    method, arguments = call.func, call.args
    if ast.unparse(method) in {"say", "say_aside"}:  # `say(log.warning, "...")` of polling/log_lines.py
        method, *arguments = arguments
    level = ast.unparse(method).rpartition(".")[2]
    if level not in {"warning", "error", "exception"} or not source.file.startswith(LOGGED) or not arguments:
        return
    for what in source.texts(arguments[0], scope):
        what = re.sub(r"%[-+.\d]*[a-z]", GAP, what)
        if _speaks(what):
            yield Text("warning" if level == "warning" else "error", what, files=[source.file])


def _verdicts(source: Source) -> Iterator[Text]:
    for (file, name), kind in VERDICTS.items():
        if file == source.file:
            function = source.functions[name]
            for node in ast.walk(function):
                if isinstance(node, ast.Constant | ast.JoinedStr):
                    for what in source.texts(node, function):
                        if what.startswith(("The ", "Nothing ", "There ")) and what.endswith("."):
                            yield Text(kind, what, [Money.SPENT.value], files=[file])


def _problems(source: Source) -> Iterator[Text]:
    """Each thing that can be wrong with a storyboard: a line of one error."""
    if not source.file.startswith("storyboard/"):
        return
    for call, scope, _ in source.calls():
        name = ast.unparse(call.func).rpartition(".")[2]
        if name in {"Problem", "_add"} and call.args:
            for what in filter(_speaks, source.texts(call.args[0], scope)):
                yield Text(
                    "InvalidStoryboard",
                    what,
                    [Money.UNSPENT.value],
                    [InvalidStoryboard.default_todo],
                    [source.file],
                )


def _parts(source: Source) -> Iterator[Text]:
    """Each thing that can be wrong with a payload: `field` and what is wrong with it."""
    if source.file not in PARTS:
        return
    for function in source.functions.values():
        for node in ast.walk(function):
            given = (
                node.args if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".append") else []
            )
            if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
                given = [node.value]
            for what in (text for each in given for text in source.texts(each, function)):
                if what.startswith("`") and _speaks(what):
                    yield Text(
                        "InvalidArgument",
                        what,
                        [Money.UNSPENT.value],
                        [KINDS["InvalidArgument"].default_todo],
                        [source.file],
                    )


@cache
def texts() -> tuple[Text, ...]:
    """Return every text once."""
    known: dict[tuple[str, str], Text] = {}
    for text in (*_found(), *_of_demo()):
        what = re.sub(rf"{GAP}[{GAP}\s]*{GAP}", GAP, " ".join(text.what.split()))
        text.what = re.sub(rf"{GAP}\.+(?=$| )", GAP, what)
        other = known.setdefault((text.kind, text.what), text)
        for mine, its in ((other.money, text.money), (other.todo, text.todo), (other.files, text.files)):
            mine.extend(each for each in its if each not in mine)
    return tuple(known.values())


def anchor_of(text: Text, taken: set[str]) -> str:
    """Return a name for a text that is made of its first words, and is not taken."""
    words = re.findall(r"[a-z0-9_]+", text.what.lower().replace("'", ""))
    for count in (8, 14, len(words)):
        anchor = "-".join(words[:count])
        if anchor not in taken:
            return anchor
    return next(a for number in range(2, 99) if (a := f"{anchor}-{number}") not in taken)
