"""github-push: started by executors/github-push.yaml. Records the commits of a push."""

from __future__ import annotations

from pydantic import BaseModel

from hub import Context, job, workflow

_RECORD = (
    "INSERT INTO pushes (repository, commit_id, ref, author, message, pushed_by) "
    "VALUES (:repository, :commit_id, :ref, :author, :message, :pushed_by) "
    "ON CONFLICT (repository, commit_id) DO NOTHING"
)


class Commit(BaseModel):
    id: str
    message: str
    author: str


class Push(BaseModel):
    """What the executor picks from GitHub's body."""

    repository: str
    ref: str
    pushed_by: str
    commits: list[Commit]


class Recorded(BaseModel):
    repository: str
    commits: int


@job
def record_push(input: Push, ctx: Context) -> Recorded:
    """All commits in one transaction. GitHub may tell of a commit again, on another branch: it is recorded once."""
    rows = [
        {
            "repository": input.repository,
            "commit_id": commit.id,
            "ref": input.ref,
            "author": commit.author,
            "message": commit.message,
            "pushed_by": input.pushed_by,
        }
        for commit in input.commits
    ]
    ctx.database("shop").run_many(_RECORD, rows)
    ctx.log.info("%s: %d commits", input.repository, len(rows))
    return Recorded(repository=input.repository, commits=len(rows))


github_push = workflow(name="github-push", main_job=record_push)
