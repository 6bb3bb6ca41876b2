"""Which files are looked at, and what is handed on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from kit import FakeClock

from hub.assembly.files import Files, read_files
from hub.assembly.reloading import Reloading

CODE = "from hub import job, workflow\n\n@job\nasync def {name}(input):\n    return 1\n\n{name}ing = workflow('{name}ing', {name})\n"
HOOK = "name: hook\ntrigger: {webhook: {}}\ntarget: {workflow: {workflow_name: %s, invoker: anonymous}}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("config", "executors", "workflows"):
        (tmp_path / name).mkdir()
    (tmp_path / "config/hub.yaml").write_text("env: {colour: blue}\n")
    (tmp_path / "workflows/one.py").write_text(CODE.format(name="greet"))
    (tmp_path / "executors/hook.yaml").write_text(HOOK % "greeting")
    return tmp_path


def tell(root: Path, story: Callable[[Reloading, list[Files]], Awaitable[None]], *, code: bool = False) -> None:
    async def whole() -> None:
        taken: list[Files] = []

        async def take(files: Files) -> None:
            taken.append(files)

        await story(Reloading(read_files(root, {}), FakeClock(), take, code=code), taken)

    asyncio.run(whole())


def test_nothing_is_handed_on_while_nothing_changes(root: Path) -> None:
    async def story(reloading: Reloading, taken: list[Files]) -> None:
        (root / "executors/notes.txt").write_text("no executor")
        assert [await reloading.run_once() for _ in range(2)] == [0, 0]
        (root / "config/hub.yaml").write_text("env: {colour: green}\n")
        assert [await reloading.run_once() for _ in range(2)] == [1, 0]
        assert [files.surroundings().env for files in taken] == [{"colour": "green"}]

    tell(root, story)


def test_code_is_imported_again_only_when_asked_for(root: Path) -> None:
    async def story(reloading: Reloading, taken: list[Files]) -> None:
        (root / "workflows/two.py").write_text(CODE.format(name="shout"))
        assert await reloading.run_once() == 0
        (root / "executors/hook.yaml").write_text(HOOK % "shouting")
        assert await reloading.run_once() == 1
        assert "shouting" not in taken[0].registry.workflows
        assert any('there is no workflow "shouting"' in one.message for one in taken[0].problems)

    tell(root, story)

    async def with_code(reloading: Reloading, taken: list[Files]) -> None:
        old = taken
        (root / "workflows/two.py").write_text(CODE.format(name="sing"))
        assert await reloading.run_once() == 1
        assert {"greeting", "singing"} <= set(old[0].registry.workflows)
        (root / "executors/hook.yaml").write_text(HOOK % "singing")
        assert await reloading.run_once() == 1
        assert old[1].registry.workflows["singing"] is old[0].registry.workflows["singing"], "not imported for nothing"

    tell(root, with_code, code=True)


def test_what_an_executor_needs_made_is_made_anew(root: Path) -> None:
    (root / "executors/hook.yaml").write_text(
        "name: hook\ntrigger: {webhook: {}}\ntarget: {job: {job_name: greet, invoker: anonymous}}\n"
    )

    async def story(reloading: Reloading, taken: list[Files]) -> None:
        (root / "executors/call.yaml").write_text(
            "name: call\ntrigger: {webhook: {}}\ntarget: {http: {url: 'https://example.com/'}}\n"
        )
        await reloading.run_once()
        (root / "executors/hook.yaml").unlink()
        await reloading.run_once()
        made = [{name for name in files.registry.workflows if "." in name} for files in taken]
        assert "job.greet" in made[0]
        assert made[1] == made[0] - {"job.greet"}

    tell(root, story)
