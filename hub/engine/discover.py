"""Finds jobs, workflows and wait points in a project's `workflows/` folder."""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from hub.engine.job import Job
from hub.engine.overlooked import Overlooked, overlooked
from hub.engine.points import WaitPoint
from hub.engine.registry import Registry
from hub.engine.workflow import Workflow
from hub.model.errors import BadInput
from hub.model.executor import Position, Problem

_PACKAGE = "workflows"

#: How messages begin that say where in a file something was declared.
_PLACED = re.compile(r"/[^:\n]+\.py:\d+: ")

#: Folders that were put on the import path.
_discovered: set[str] = set()

#: What a file can declare.
_Declared = Job[Any, Any] | Workflow[Any, Any] | WaitPoint[Any, Any]


@dataclass(frozen=True, slots=True)
class Discovered:
    """What the folder holds, and what is wrong in it. A file that fails takes only itself out."""

    registry: Registry
    problems: tuple[Problem, ...]
    #: What it holds and is of no effect. Not told while a file cannot be imported: that one may be what the others are for.
    overlooked: tuple[Overlooked, ...] = ()


def discover(root: Path) -> Discovered:
    """Import every `workflows/**/*.py` of a project.

    The project's folder is put on the import path, so that files import each other as `workflows.…`.
    """
    folder = root / _PACKAGE
    _forget_modules()
    _come_first(root)
    importlib.invalidate_caches()
    registry = Registry()
    problems: list[Problem] = []
    modules: dict[Path, ModuleType] = {}
    for path in sorted(folder.rglob("*.py")):
        if "__pycache__" in path.parts:
            continue
        try:
            modules[path] = _load(root, path)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            problems.append(_problem(root, path, error))
    found = [one for module in modules.values() for one in vars(module).values()]
    declared = [one for one in found if isinstance(one, Job | Workflow | WaitPoint)]
    missed = () if problems else tuple(overlooked(root, modules, declared))
    _register(registry, declared, root, problems)
    return Discovered(registry, tuple(sorted(problems)), missed)


def _come_first(root: Path) -> None:
    """On the import path. Another project's folder leaves it: a `workflows/__init__.py` there would hide this one's files."""
    sys.path[:] = [str(root), *(entry for entry in sys.path if entry not in _discovered and entry != str(root))]
    _discovered.add(str(root))


def _register(registry: Registry, found: list[_Declared], root: Path, problems: list[Problem]) -> None:
    for value in found:
        try:
            if isinstance(value, Workflow):
                registry.add_workflow(value)
            elif isinstance(value, WaitPoint):
                registry.add_wait_point(value)
            else:
                registry.add_job(value)
        except BadInput as error:
            problem = _placed(root, str(error))
            if problem not in problems:
                problems.append(problem)


def _load(root: Path, path: Path) -> ModuleType:
    name = ".".join(path.relative_to(root).with_suffix("").parts).replace("-", "_").removesuffix(".__init__")
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with redirect_stdout(sys.stderr):  # standard output is for data
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _forget_modules() -> None:
    """Another project's, or an older state of this one's."""
    for name in [name for name in sys.modules if name == _PACKAGE or name.startswith(f"{_PACKAGE}.")]:
        del sys.modules[name]


def _problem(root: Path, path: Path, error: BaseException) -> Problem:
    """The innermost place in the project's own files, and what happened there."""
    if isinstance(error, SyntaxError) and error.filename:
        place = Position(_relative(root, error.filename), error.lineno or 1, error.offset or 1)
        return Problem(place, f"this is not Python: {error.msg}")
    if isinstance(error, TypeError | ValueError) and _PLACED.match(str(error)):
        return _placed(root, str(error))
    place = Position(_relative(root, str(path)))
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(root):
            place = Position(_relative(root, frame.filename), frame.lineno or 1, (frame.colno or 0) + 1)
    return Problem(place, f"the file cannot be imported: {type(error).__name__}: {error}")


def _placed(root: Path, message: str) -> Problem:
    """A message that begins with `file:line:` as a problem at that place."""
    file, _, rest = message.partition(":")
    line, _, text = rest.partition(":")
    return Problem(Position(_relative(root, file), int(line) if line.isdigit() else 1), text.strip())


def _relative(root: Path, file: str) -> str:
    path = Path(file)
    return str(path.relative_to(root)) if path.is_relative_to(root) else file
