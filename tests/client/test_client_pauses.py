"""A schedule that is paused and resumed while no server runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kit import FakeClock

from hub.assembly.files import read_files
from hub.assembly.parts import open_parts
from hub.triggers.schedule.loop import Scheduler


def test_what_came_due_in_a_pause_is_recorded_and_not_made_up_for(project: Path) -> None:
    schedule = '{cron: "0 * * * *", missed: all, missed_max: 100}'
    (project / "executors/nightly.yaml").write_text(
        f"name: nightly\ntrigger: {{schedule: {schedule}}}\n"
        "target: {workflow: {workflow_name: greeting, invoker: anonymous}}\n"
    )

    async def story() -> None:
        clock = FakeClock()
        parts = await open_parts(read_files(project, {}), clock=clock)
        scheduler = Scheduler(parts.store, clock, lambda: parts.files.executors, lambda: None)
        await scheduler.sync_definitions()
        await parts.client.pause_executor("nightly", paused=True)
        clock.advance(300 * 3_600)
        await parts.client.pause_executor("nightly", paused=False)
        clock.advance(2 * 3_600)
        await parts.client.pause_executor("nightly", paused=False)  # it is not paused, so that this changes nothing
        assert await scheduler.run_once() == 2
        del parts.driver.executors["nightly"]  # what it left is there when its file is gone, or has another name
        slots = (await parts.client.slots_page("nightly", limit=1_000)).items
        assert [slot.outcome for slot in slots] == [None] * 2 + ["paused"] * 300, "newest first"
        await parts.close()

    asyncio.run(story())
