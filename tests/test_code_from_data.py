"""Nothing that the package reads can become code, and no shell reads what it writes."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

# What runs from `q2pt`, from Airflow or in a container.
PLACES = ("q2pt_tasks", "dags", "deploy")
FILES = sorted(file for place in PLACES for file in Path(place).rglob("*.py"))
# Modules whose formats hold code, or that start a shell.
FORBIDDEN_MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "cloudpickle",
    "dill",
    "shelve",
    "marshal",
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
    "joblib.load",
    "csv.writer",
    "torch.jit.load",
    "torch.hub.load",
}
# What a shopper typed may begin with `=`: nothing is written that a spreadsheet takes for a formula.
FORBIDDEN_METHODS = {"to_csv", "write_csv", "DictWriter", "to_excel"}
# A call and what it must say, so that data stays data.
REQUIRED = {
    "torch.load": {"weights_only": True},
    "AutoConfig.from_pretrained": {"trust_remote_code": False},
    "AutoTokenizer.from_pretrained": {"trust_remote_code": False},
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
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, problem) for problem in _of_call(node))


def _is_forbidden(module: str) -> bool:
    return module.split(".")[0] in FORBIDDEN_MODULES


def _of_call(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    constants = [word for word in call.keywords if isinstance(word.value, ast.Constant)]
    given: dict[str | None, object] = {word.arg: ast.literal_eval(word.value) for word in constants}
    if name in FORBIDDEN_CALLS or name.rpartition(".")[2] in FORBIDDEN_METHODS:
        yield name
    for word, value in FORBIDDEN_KEYWORDS.items():
        if given.get(word) == value:
            yield f"{name}({word}={value})"
    for word, value in REQUIRED.get(name, {}).items():
        if given.get(word) is not value:
            yield f"{name} without {word}={value}"


@pytest.mark.parametrize("file", FILES, ids=str)
def test_no_file_turns_data_into_code(file: Path) -> None:
    found = list(problems(ast.parse(file.read_text(encoding="utf-8"))))
    assert found == [], f"{file}: line and what to replace"


def test_all_of_the_package_was_read() -> None:
    assert len(FILES) > 150


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import pickle", "pickle"),
        ("from dill import load", "from dill"),
        ("import zipfile as z", "zipfile"),
        ("subprocess.run('ls', shell=True)", "subprocess.run(shell=True)"),
        ("os.system('ls')", "os.system"),
        ("eval(text)", "eval"),
        ("torch.load(file)", "torch.load without weights_only=True"),
        ("torch.load(file, weights_only=False)", "torch.load without weights_only=True"),
        ("np.load(file, allow_pickle=True)", "np.load(allow_pickle=True)"),
        ("AutoTokenizer.from_pretrained(folder)", "AutoTokenizer.from_pretrained without trust_remote_code=False"),
        ("YAML(typ='unsafe')", "YAML(typ=unsafe)"),
        ("table.to_csv(file)", "table.to_csv"),
        ("csv.writer(file)", "csv.writer"),
    ],
)
def test_what_would_be_found(code: str, found: str) -> None:
    assert [problem for _, problem in problems(ast.parse(code))] == [found]


@pytest.mark.parametrize(
    "code", ["network.eval()", "torch.load(file, weights_only=True)", "YAML(typ='safe')", "re.compile(text)"]
)
def test_what_is_harmless(code: str) -> None:
    assert list(problems(ast.parse(code))) == []
