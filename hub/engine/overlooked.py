"""What somebody seems to have meant in workflows/, and `discover` does not find: no mistake, and worth a line."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from hub.engine.job import Job
from hub.engine.points import WaitPoint
from hub.engine.workflow import Workflow
from hub.model.executor import Position, Problem


@dataclass(frozen=True, slots=True)
class Overlooked:
    """Something that is there and of no effect."""

    problem: Problem
    #: Jobs; when an executor aims at one of them, all is well.
    unless: frozenset[str] = frozenset()


def overlooked(root: Path, modules: Mapping[Path, ModuleType], found: Collection[Any]) -> Iterator[Overlooked]:
    """`modules` are the files of the project in `root`, as they were imported, and `found` is what their names lead to."""
    yield from _kept_apart(root, modules, found)
    yield from _idle(root, modules)


def _kept_apart(root: Path, modules: Mapping[Path, ModuleType], found: Collection[Any]) -> Iterator[Overlooked]:
    """Workflows and wait points that only a list, a mapping or a class holds."""
    known = {id(one) for one in found}
    for path, module in modules.items():
        for name, holder in vars(module).items():
            for one in _inside(holder, module):
                if id(one) not in known:
                    known.add(id(one))
                    file, _, line = one.declared.rpartition(":")
                    at = Position(_relative(root, Path(file)), int(line) if line.isdigit() else 1)
                    what = "workflow" if isinstance(one, Workflow) else "wait point"
                    why = f'the {what} "{one.name}" stands in {name}, where it is not looked for'
                    how = f"name it at the top level of {path.name}, {one.name.replace('-', '_')} = …"
                    yield Overlooked(Problem(at, f"{why}: {how}"))


def _idle(root: Path, modules: Mapping[Path, ModuleType]) -> Iterator[Overlooked]:
    """Files that start nothing and are there for no other file."""
    imported = {name for path, module in modules.items() for name in _imports(path, module)}
    for path, module in modules.items():
        if path.name == "__init__.py" or module.__name__ in imported:
            continue
        values = list(vars(module).values())
        held = [one for value in values for one in _inside(value, module)]
        if not any(isinstance(one, Workflow | WaitPoint) for one in (*values, *held)):
            jobs = frozenset(value.name for value in values if isinstance(value, Job))
            why = "nothing starts the jobs of this file" if jobs else "this file declares no workflow and no job"
            how = 'add name = workflow("…", main_job=…), or import it in a file that does'
            yield Overlooked(Problem(Position(_relative(root, path)), f"{why}: {how}"), jobs)


def _inside(value: Any, module: ModuleType) -> Iterator[Workflow[Any, Any] | WaitPoint[Any, Any]]:
    """What a collection or one of the module's own classes holds."""
    held: Collection[Any] = ()
    if isinstance(value, type) and value.__module__ == module.__name__:
        held = vars(value).values()
    elif isinstance(value, dict):
        held = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        held = value
    yield from (one for one in held if isinstance(one, Workflow | WaitPoint))


def _imports(path: Path, module: ModuleType) -> Iterator[str]:
    """The names that a file's import statements may mean, those of modules among them."""
    package = module.__name__.split(".")
    if path.name != "__init__.py":
        package.pop()
    with contextlib.suppress(SyntaxError, ValueError, OSError):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                source = ".".join([*base, *filter(None, [node.module])])
                yield source
                yield from (f"{source}.{alias.name}" for alias in node.names)


def _relative(root: Path, path: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
