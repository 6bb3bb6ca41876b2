"""`hub demo`: the example project end to end, with a real server, real HTTP, real SQL and the machine's own clock.

`example` makes a copy of the repository's project, `slots` finds a slot for its schedule, `server` runs `hub serve` on it in a
process of its own, `supplier` and `senders` play the world outside, `stage` holds them together. `story` lets things
happen and `crash` kills the server; `ledger` keeps what became of it all, `telling` shows how it goes.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from pathlib import Path

import click

from hub.cli.demo.telling import Telling
from hub.cli.session import FAILED, command, json_option

_TERMINATED = 128 + signal.SIGTERM


@click.command()
@click.option("--keep", is_flag=True, help="Leave the project's folder, and print it.")
@click.option("--stay", is_flag=True, help="Leave the server running until Ctrl-C.")
@click.option(
    "--schedule",
    "how",
    type=click.Choice(["auto", "live", "missed"]),
    default="auto",
    show_default=True,
    help="live: wait for a slot, up to a minute. missed: make up for last night's. auto: wait when a slot is near.",
)
@json_option
@command
async def demo(keep: bool, stay: bool, how: str, as_json: bool) -> int:
    """The example project end to end, with real HTTP, SQL and clock, in half a minute at most."""
    from hub.cli.demo.example import example_root

    root, folder = example_root(), Path(tempfile.mkdtemp(prefix="hub-demo-"))
    terminated = _cancel_on_sigterm()
    done = False
    try:
        done = await _play(root, folder, how, keep=keep, stay=stay, as_json=as_json)
    except asyncio.CancelledError:
        done = True  # somebody has seen enough: nothing to look into
        if terminated.is_set():
            return _TERMINATED
        raise
    finally:
        if keep or not done:
            click.echo(f"the project is in {folder}", err=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if done else FAILED


async def _play(root: Path, folder: Path, how: str, *, keep: bool, stay: bool, as_json: bool) -> bool:
    """Whether all was as it must be."""
    from hub.cli.demo.stage import staged
    from hub.cli.demo.story import play
    from hub.cli.demo.summary import show_ledger, what_next

    telling = Telling()
    async with staged(root, folder, how, telling) as stage:
        if keep:
            stage.keep_secret()
        with telling:
            await play(stage)
        show_ledger(stage, project=folder if keep else None, as_json=as_json)
        what_next(stage, project=folder if keep else None, stay=stay)
        if stay:
            await _until_interrupted()
        return not stage.ledger.failed


async def _until_interrupted() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return


def _cancel_on_sigterm() -> asyncio.Event:
    """SIGTERM ends the demo as Ctrl-C does, with all that it has started. Set when it came."""
    task, came = asyncio.current_task(), asyncio.Event()
    assert task is not None

    def end() -> None:
        came.set()
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    return came
