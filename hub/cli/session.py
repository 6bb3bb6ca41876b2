"""What every command needs: the project, a hub opened on it, and errors told in sentences."""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import click

from hub.cli.printing import clean
from hub.model.counted import counted
from hub.model.errors import ConfigError, HubError

if TYPE_CHECKING:
    from hub.assembly.parts import Parts

P = ParamSpec("P")

FAILED, USAGE, TIMED_OUT = 1, 2, 3


#: Where a command works, by option: behind it as well as before it.
_PLACES = {
    "project": ("DIR", "The project's folder; by default $HUB_PROJECT, else this one."),
    "server": ("URL", "Ask a hub elsewhere, through its API; by default $HUB_SERVER."),
    "token": ("TOKEN", "The access token for that, or @FILE with it; by default $HUB_TOKEN."),
}


def project_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--project`, `--server` and `--token`."""

    def keep(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.find_root().meta[f"hub.{parameter.name}"] = value

    for name, (metavar, text) in _PLACES.items():
        command = click.option(f"--{name}", metavar=metavar, expose_value=False, callback=keep, help=text)(command)
    return command


def _given(name: str) -> str | None:
    value: str | None = click.get_current_context().find_root().meta.get(f"hub.{name}")
    return value


def _place(name: str) -> str | None:
    return _given(name) or os.environ.get(f"HUB_{name.upper()}") or None


def server_and_token() -> tuple[str | None, str | None]:
    """The hub elsewhere that is to be asked, if any, and the token for it. Ends the command when its file cannot be read."""
    server, token = _place("server"), _place("token")
    if token is not None and token.startswith("@"):
        try:
            token = Path(token[1:]).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise click.UsageError(f"--token: {said_of(error)}") from None
        except UnicodeDecodeError:
            raise click.UsageError(f"--token: {token[1:]} is not text in UTF-8") from None
    return server, token


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def project_root() -> Path:
    """The project's folder. Ends the command when there is none, or when another hub was to be asked."""
    if (server := _given("server")) is not None:
        raise _not_from_afar(server)
    root = Path(_place("project") or ".").resolve()
    if _is_project(root):
        return root
    why = f"{root} is no project: it has neither config/hub.yaml nor executors/. "
    above = next((folder for folder in root.parents if _is_project(folder)), None)
    if above is None:
        raise click.UsageError(f"{why}Make one with `hub init DIR`, or name one with --project DIR.")
    raise click.UsageError(f"{why}The folder above it, {above}, is one: go there, or name it with --project.")


def _is_project(folder: Path) -> bool:
    return (folder / "config" / "hub.yaml").exists() or (folder / "executors").is_dir()


def _not_from_afar(server: str) -> click.UsageError:
    return click.UsageError(
        f"this command works on a project's own files and store, and cannot be asked of {server}: "
        "leave --server and $HUB_SERVER out."
    )


def as_called() -> str:
    """How to call `hub` from any folder, as this process was called: for advice that people copy."""
    if shutil.which("hub") is not None:
        return "hub"
    called = Path(sys.argv[0]).absolute()
    return shlex.quote(str(called)) if called.name == "hub" else f"{shlex.quote(sys.executable)} -m hub"


@asynccontextmanager
async def opened() -> AsyncIterator[Parts]:
    """A hub on the project's store, with or without a server running."""
    from hub.assembly.files import read_files
    from hub.assembly.parts import open_parts

    if (server := server_and_token()[0]) is not None:
        raise _not_from_afar(server)
    files = read_files(project_root())
    if files.config is None:
        raise ConfigError(files.problems)
    if files.problems:
        click.echo(f"{counted(len(files.problems), 'problem')} in the project's files: see `hub check`.", err=True)
    parts = await open_parts(files)
    try:
        yield parts
    finally:
        await parts.close()


def command(
    work: Callable[P, Coroutine[Any, Any, int | None]],
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> Callable[P, None]:
    """Run an async command; errors of the hub become a sentence and exit status 1. `loop` makes one that is not the usual."""

    @functools.wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with asyncio.Runner(loop_factory=loop) as runner:
                status = runner.run(_told(work(*args, **kwargs)))
        except KeyboardInterrupt:
            sys.exit(130)
        sys.exit(status or 0)

    return run


async def _told(work: Coroutine[Any, Any, int | None]) -> int | None:
    try:
        return await work
    except ConfigError as error:
        for problem in error.problems:
            click.echo(clean(str(problem)), err=True)
        return FAILED
    except BrokenPipeError:  # `hub … | head` has seen enough; click ends quietly
        raise
    except HubError as error:
        click.echo(clean(f"error: {error}"), err=True)
        return FAILED
    except OSError as error:
        click.echo(clean(f"error: {said_of(error)}"), err=True)
        return FAILED


#: What to do about what the system says most often.
_HOW = {
    errno.ENOSPC: ": make room, and try again",
    errno.EDQUOT: ": make room, and try again",
    errno.EROFS: ": the hub has to be able to write there",
    errno.EACCES: ": whoever runs the hub has to be able to use it",
}


def said_of(error: OSError) -> str:
    """What the system refused, and where."""
    if error.strerror is None:
        return str(error)
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror}{_HOW.get(error.errno or 0, '')}."
