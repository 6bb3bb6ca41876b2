"""Executor files in a folder of a test, and what loading them gives."""

from hub.declare.executors import load_executors
from hub.declare.filling import Sources
from hub.declare.secrets import Secrets

TARGET = "target: {job: {job_name: fetch, invoker: anonymous}}\n"


def write(root, **files):
    folder = root / "executors"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name.replace('_', '-')}.yaml").write_text(text)


def load(root, environment=None, **files):
    write(root, **files)
    environment = environment or {}
    return load_executors(root, Sources(environment, Secrets(environment, {"ERP": "x" * 32})))


def one(root, text, environment=None):
    loaded = load(root, environment, abc=f"name: abc\n{text}")
    assert loaded.problems == ()
    (executor,) = loaded.executors
    return executor


def messages(root, text, environment=None):
    loaded = load(root, environment, abc=f"name: abc\n{text}")
    assert loaded.executors == ()
    assert loaded.broken == {"abc"}
    return [str(problem) for problem in loaded.problems]
