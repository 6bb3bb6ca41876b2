"""Permissions that nobody asks for are found, with the one that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.assembly.files import read_files

CONFIG = """\
auth:
  main-auth:
    machine_users:
      bot:
        permissions:
          - "{permission}"
"""
WORKFLOW = """\
from hub import wait_point

approval = wait_point("approval", permission="execution:approve")
"""


def found(root: Path, permission: str) -> list[str]:
    for name, text in (("config/hub.yaml", CONFIG.format(permission=permission)), ("workflows/points.py", WORKFLOW)):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return [str(problem) for problem in read_files(root, {}).problems]


@pytest.mark.parametrize(
    ("permission", "said"),
    [
        ("workflow:strat:*", 'nothing asks for "workflow:strat". Did you mean "workflow:start"?'),
        ("workflows:start", 'nothing asks for permissions of "workflows". Did you mean "workflow"?'),
        ("execution:aprove", 'nothing asks for "execution:aprove". Did you mean "execution:approve"?'),
        ("secret:own", 'nothing asks for "secret:own". Did you mean "secret:read"?'),
        ("machine-usr:*", 'nothing asks for permissions of "machine-usr". Did you mean "machine-user"?'),
    ],
)
def test_what_gives_nothing_is_said_with_its_place(tmp_path: Path, permission: str, said: str) -> None:
    assert found(tmp_path, permission) == [f"config/hub.yaml:6:13: {said}"]


@pytest.mark.parametrize(
    "permission",
    ["admin", "workflow:start:order-*", "database:*:shop", "execution:approve", "execution:approve:x", "parcel:send"],
)
def test_what_is_asked_for_is_no_problem_and_neither_is_what_the_project_asks(tmp_path: Path, permission: str) -> None:
    assert found(tmp_path, permission) == []
