"""What data could turn into code is nowhere in the hub: no pickles, no eval, no unsafe YAML, no shell, no templates of templates."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MODULES = {
    "pickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "jsonpickle",
    "code",
    "codeop",
    "commands",
    "telnetlib",
}
#: Called by their bare name.
NAMES = {"eval", "exec", "compile", "__import__", "execfile"}
#: Called as attributes of a module.
ATTRIBUTES = {
    ("yaml", "load"), ("yaml", "load_all"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("yaml", "unsafe_load_all"),
    ("os", "system"), ("os", "popen"), ("os", "execvp"), ("os", "spawnl"), ("subprocess", "getoutput"),
    ("subprocess", "getstatusoutput"), ("tempfile", "mktemp"), ("string", "Template"), ("hashlib", "md5"),
    ("asyncio", "create_subprocess_shell"), ("builtins", "eval"), ("builtins", "exec"), ("logging", "setLogRecordFactory"),
}  # fmt: skip


def findings(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (one.name for one in names if one.name.split(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                if module.split(".")[0] in MODULES:
                    yield module
                yield from (f"{module}.{one.name}" for one in names if (module, one.name) in ATTRIBUTES)
            case ast.Call(func=ast.Name(id=name)) if name in NAMES:
                yield name
            case ast.Attribute(value=ast.Name(id=module), attr=name) if (module, name) in ATTRIBUTES:
                yield f"{module}.{name}"
            case ast.keyword(arg="shell", value=value) if not (
                isinstance(value, ast.Constant) and value.value is False
            ):
                yield "shell="
            case ast.keyword(arg="autoescape", value=ast.Constant(value=False)):
                yield "autoescape=False"


def test_the_hub_has_none_of_it() -> None:
    files = sorted([*(ROOT / "hub").rglob("*.py"), *(ROOT / "workflows").rglob("*.py")])
    assert len(files) > 200
    found = [
        f"{path.relative_to(ROOT)}: {what}" for path in files for what in findings(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "import pickle as p", "import os.path, marshal", "eval('1')", "exec(text)",
        "__import__('os')", "import yaml\nyaml.load(text)", "from yaml import load", "import os\nos.system('x')",
        "subprocess.run('x', shell=True)", "subprocess.run('x', shell=flag)", "from string import Template",
        "run = os.popen", "Environment(autoescape=False)",
    ],
)  # fmt: skip
def test_each_kind_would_be_found(source: str) -> None:
    assert list(findings(source))


def test_what_only_looks_like_it_is_not_taken_for_it() -> None:
    for source in (
        "re.compile('x')",
        "subprocess.run(['x'], shell=False)",
        "yaml.compose(text)",
        "self.eval(x)",
        "evaluate(x)",
    ):
        assert not list(findings(source)), source
