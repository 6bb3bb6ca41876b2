"""The files in executors/ as executors, with every problem of every file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from hub.declare.building import beyond_schema, build
from hub.declare.checking import check
from hub.declare.document import Document, Where
from hub.declare.filling import Rules, Sources, filled
from hub.declare.legible import legible_executor
from hub.declare.reading import read_file
from hub.declare.secrets import load_secrets, references
from hub.model.executor import Executor, Position, Problem
from hub.model.names import NAME_RULE, is_name

FOLDER = "executors"
_SUFFIXES = (".yaml", ".yml")
_NEARLY = re.compile(r"(\.ya?ml)(\.txt)?$", re.IGNORECASE)

_VERIFY: Where = ("trigger", "webhook", "verify")
_CALLS: tuple[Where, ...] = (("target", "http"), ("target", "graphql"))
_LATE_IN_CALLS = frozenset({"url", "query", "variables", "headers", "body"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the folder holds."""

    #: Those without a problem, sorted by name.
    executors: tuple[Executor, ...]
    #: Those with one, as far as they can be read: for what else is wrong with them.
    unfinished: tuple[Executor, ...]
    problems: tuple[Problem, ...]
    #: The names (by file) of those that have one, and so cannot run.
    broken: frozenset[str]
    #: Files that are not read and look as if somebody thought so.
    overlooked: tuple[Problem, ...] = ()


def is_late(where: Where) -> bool:
    """Whether a part of an executor keeps its references: it is filled in each time it is used, and may hold secrets."""
    return where[:3] == _VERIFY or (where[:2] in _CALLS and len(where) > 2 and where[2] in _LATE_IN_CALLS)  # noqa: PLR2004 - the third key


RULES = Rules(kind="executor", late=is_late, may_be_secret=is_late)


def load_executors(root: Path, sources: Sources | None = None) -> Loaded:
    """Read every executor of the project in `root`. Without `sources` references are looked up in this process's environment
    and in config/secrets.yaml, whose own problems are then left to `load_config`.
    """
    sources = sources or Sources(os.environ, load_secrets(root)[0])
    executors: dict[str, Executor] = {}
    unfinished: list[Executor] = []
    problems: list[Problem] = []
    broken: set[str] = set()
    taken: dict[str, str] = {}
    for path in _files(root):
        file = _named(PurePath(path.name))
        executor, found = _load(path, file, sources)
        if (first := taken.setdefault(path.stem, file)) != file:
            found.append(Problem(Position(file), f"this executor is already in {first}; keep one of the two files"))
        problems += found
        if found or executor is None:
            broken.add(path.stem)
            unfinished += [] if executor is None else [executor]
        else:
            executors[path.stem] = executor
    whole = (executor for name, executor in sorted(executors.items()) if name not in broken)
    return Loaded(
        tuple(whole), tuple(unfinished), tuple(sorted(set(problems))), frozenset(broken), tuple(_overlooked(root))
    )


def parse_executor(document: Document, sources: Sources) -> tuple[Executor | None, list[Problem]]:
    """One read file as an executor, and everything that is wrong with it.

    With problems it is what can still be read of the file, for further judges alone; None when that is nothing.
    """
    problems = [*document.problems, *check(document, "executor")]
    if not document.complete:
        return None, problems
    value, unfilled = filled(document, sources, RULES)
    spoilt = {problem.position for problem in (*document.problems, *unfilled)}
    if problems or unfilled:
        # What was filled in is left out too: further judges would repeat it.
        places = {where for where, _, _ in references(document.value)}
        out = [where for where in places if not is_late(where) or document.at(where) in spoilt]
        value = legible_executor(value, PurePath(document.file).stem, out)
    beyond = list(beyond_schema(value, document))
    problems += [*unfilled, *(Problem(document.at(where), message) for where, message in beyond)]
    if beyond:
        value = legible_executor(value, value["name"], [where for where, _ in beyond])
    return build(value, document), sorted(set(problems))


def _files(root: Path) -> list[Path]:
    folder = root / FOLDER
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.suffix in _SUFFIXES and not path.name.startswith(".")]
    return sorted(path for path in found if not path.is_dir())


def executor_files(root: Path) -> Iterator[Path]:
    """The files of executors/ that are read, and those that look as if somebody thought so: in folders of their own, or
    with a name such as order.YAML or order.yml.txt.
    """
    folder = root / FOLDER
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and _NEARLY.search(path.name) and not path.is_dir():
            yield path


def _overlooked(root: Path) -> Iterator[Problem]:
    folder = root / FOLDER
    for path in sorted(executor_files(root)):
        at = Position(_named(path.relative_to(folder)))
        if path.parent != folder:
            yield Problem(at, f"this file is not read: move it to {FOLDER}/ itself")
        elif path.suffix not in _SUFFIXES:
            right = _shown(_NEARLY.sub(lambda ending: ending[1].lower(), path.name))
            yield Problem(at, f"this file is not read: rename it to {right}")


def _named(path: PurePath) -> str:
    """The file's place in messages."""
    return f"{FOLDER}/{_shown(str(path))}"


def _shown(name: str) -> str:
    """A name that no one could type is escaped."""
    return name if name.isprintable() else name.encode("unicode_escape", "backslashreplace").decode()


def _load(path: Path, file: str, sources: Sources) -> tuple[Executor | None, list[Problem]]:
    document = read_file(path, file)
    executor, problems = parse_executor(document, sources)
    if not is_name(path.stem):
        problems.append(Problem(Position(file), f"the file's name is not an executor's name: use {NAME_RULE}"))
    elif isinstance(document.value, dict):
        # A reference is judged by what it stands for.
        name = document.value.get("name") if problems or executor is None else executor.name
        if isinstance(name, str) and is_name(name) and name != path.stem:
            rule = f'the name must be the file\'s: write "{path.stem}", or rename the file to {name}{path.suffix}'
            problems.append(Problem(document.at(("name",)), rule))
    return executor, problems
