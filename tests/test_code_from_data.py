"""Nothing that the package reads can become code, and no shell reads what it writes."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from q2pt_tasks.model.transformers_network import _DATA_ALONE

# What runs from `q2pt`, from Airflow or in a container.
PLACES = ("q2pt_tasks", "dags", "deploy")
FILES = sorted(file for place in PLACES for file in Path(place).rglob("*.py"))
PICKLES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
# Modules whose formats hold code, or that start a shell.
FORBIDDEN_MODULES = PICKLES | {
    "code",
    "runpy",
    "pty",
    "telnetlib",
    "xmlrpc",
    # Archives are not unpacked anywhere, so no name in one can lead out of a folder.
    "tarfile",
    "zipfile",
    # Of YAML, `ruamel.yaml` reads no objects but where it is told to.
    "yaml",
}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell",
    "shutil.unpack_archive",
    "tempfile.mktemp",
    "pd.read_pickle",
    "pandas.read_pickle",
    "csv.writer",
    "torch.jit.load",
    "torch.hub.load",
}
# What a shopper typed may begin with `=`: nothing is written that a spreadsheet takes for a formula.
FORBIDDEN_METHODS = {"to_csv", "write_csv", "DictWriter", "to_excel"}
# A call, by its whole name or by its last part, and what it must say, so that data stays data.
REQUIRED = {
    "torch.load": {"weights_only": True},
    "from_pretrained": {"trust_remote_code": False, "local_files_only": True},
    "Environment": {"autoescape": True},
}
# A mapping that stands for these words where it is handed on: `f(**_DATA_ALONE)`.
DATA_ALONE = "_DATA_ALONE"
SHELLS = {"sh", "bash", "dash", "zsh", "/bin/sh", "/bin/bash", "/usr/bin/env"}
# What is taken for HTML without being escaped: the page's own style and script, and what matplotlib drew.
TRUSTED_HTML = {"q2pt_tasks/report/page.py", "q2pt_tasks/report/plots.py"}
# What is forbidden and is there all the same, by file, with the reason.
ALLOWED = {
    # It tells Spark to send this package's functions with each task, between Spark's own processes; nothing here reads
    # a pickle. docs/security.md says who could.
    "q2pt_tasks/engine/spark_engine.py": ["pyspark.cloudpickle"],
}
# Keywords and the values that no call may give them.
FORBIDDEN_KEYWORDS: Mapping[str, object] = {
    "shell": True,
    "allow_pickle": True,
    "trust_remote_code": True,
    "typ": "unsafe",
}


def problems(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the name of whatever could turn data into code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if _is_forbidden(alias.name))
        elif isinstance(node, ast.ImportFrom) and _is_forbidden(node.module or ""):
            yield node.lineno, f"from {node.module}"
        elif isinstance(node, ast.ImportFrom):
            names = sorted(f"{node.module}.{alias.name}" for alias in node.names)
            # By its bare name a call would not be known.
            calls = FORBIDDEN_CALLS | REQUIRED.keys()
            yield from ((node.lineno, name) for name in names if name in calls or _is_forbidden(name))
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, problem) for problem in _of_call(node))
        elif isinstance(node, ast.List | ast.Tuple) and node.elts and _is_shell(node.elts[0]):
            yield node.lineno, f"a command of {ast.unparse(node.elts[0])}"


def _is_forbidden(module: str) -> bool:
    first, *others = module.split(".")
    # A copy of a pickle's reader inside of another package reads pickles too.
    return first in FORBIDDEN_MODULES or not PICKLES.isdisjoint(others)


def _is_shell(word: ast.expr) -> bool:
    return isinstance(word, ast.Constant) and word.value in SHELLS


def _of_call(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    constants = [word for word in call.keywords if isinstance(word.value, ast.Constant)]
    given: dict[str | None, object] = {word.arg: ast.literal_eval(word.value) for word in constants}
    if any(word.arg is None and ast.unparse(word.value) == DATA_ALONE for word in call.keywords):
        given.update(REQUIRED["from_pretrained"])
    if name in FORBIDDEN_CALLS or name.rpartition(".")[2] in FORBIDDEN_METHODS:
        yield name
    for word, value in FORBIDDEN_KEYWORDS.items():
        if given.get(word) == value:
            yield f"{name}({word}={value})"
    for word, value in (REQUIRED.get(name) or REQUIRED.get(name.rpartition(".")[2], {})).items():
        if given.get(word) is not value:
            yield f"{name} without {word}={value}"


@pytest.mark.parametrize("file", FILES, ids=str)
def test_no_file_turns_data_into_code(file: Path) -> None:
    found = list(problems(ast.parse(file.read_text(encoding="utf-8"))))
    assert [name for _, name in found] == ALLOWED.get(file.as_posix(), []), f"{file}: {found}"


def test_the_words_that_are_handed_on_are_those() -> None:
    assert REQUIRED["from_pretrained"].items() <= _DATA_ALONE.items()
    assert _DATA_ALONE["use_safetensors"] is True


@pytest.mark.parametrize("file", FILES, ids=str)
def test_html_that_is_not_escaped_is_made_in_two_places_alone(file: Path) -> None:
    called = {ast.unparse(node.func) for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)}
    assert not called & {"Markup", "markupsafe.Markup"} or file.as_posix() in TRUSTED_HTML


@pytest.mark.parametrize("file", sorted(Path("q2pt_tasks").rglob("*.html")), ids=str)
def test_no_template_leaves_text_unescaped(file: Path) -> None:
    assert not re.search(r"\|\s*safe\b|autoescape", file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", sorted(Path("q2pt_tasks").rglob("*.js")), ids=str)
def test_no_script_makes_html_or_code_of_text(file: Path) -> None:
    words = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", 'setAttribute("on')
    assert not [word for word in words if word in file.read_text(encoding="utf-8")]


def test_all_of_the_package_was_read() -> None:
    assert len(FILES) > 150


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import pickle", "pickle"),
        ("from dill import load", "from dill"),
        ("import zipfile as z", "zipfile"),
        ("from pyspark import cloudpickle", "pyspark.cloudpickle"),
        ("import pandas.compat.pickle", "pandas.compat.pickle"),
        ("subprocess.run('ls', shell=True)", "subprocess.run(shell=True)"),
        ("os.system('ls')", "os.system"),
        ("eval(text)", "eval"),
        ("torch.load(file)", "torch.load without weights_only=True"),
        ("torch.load(file, weights_only=False)", "torch.load without weights_only=True"),
        ("np.load(file, allow_pickle=True)", "np.load(allow_pickle=True)"),
        ("from torch import load", "torch.load"),
        ("from os import system", "os.system"),
        ("subprocess.run(['sh', '-c', text])", "a command of 'sh'"),
        ("run(('/bin/bash', '-lc', text))", "a command of '/bin/bash'"),
        (
            "AutoModel.from_pretrained(folder, local_files_only=True)",
            "AutoModel.from_pretrained without trust_remote_code=False",
        ),
        ("jinja2.Environment(loader=loader)", "jinja2.Environment without autoescape=True"),
        ("YAML(typ='unsafe')", "YAML(typ=unsafe)"),
        ("table.to_csv(file)", "table.to_csv"),
        ("csv.writer(file)", "csv.writer"),
    ],
)
def test_what_would_be_found(code: str, found: str) -> None:
    assert [problem for _, problem in problems(ast.parse(code))] == [found]


@pytest.mark.parametrize(
    "code",
    [
        "network.eval()",
        "torch.load(file, weights_only=True)",
        "YAML(typ='safe')",
        "re.compile(text)",
        "AutoModel.from_pretrained(folder, dtype=kind, **_DATA_ALONE)",
        "Environment(loader=loader, autoescape=True)",
    ],
)
def test_what_is_harmless(code: str) -> None:
    assert list(problems(ast.parse(code))) == []
