"""Changes keys of a params file and keeps its comments."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.tokens import CommentToken

from q2pt_tasks.params import ParamsError


class _Representer(RoundTripRepresenter):
    """Writes an empty value as `null`, as the file has it, and not as nothing."""


def _represent_null(representer: RoundTripRepresenter, _: None) -> ScalarNode:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _represent_null)


def edit_params(path: Path, changes: Mapping[str, Any]) -> None:
    """Sets keys such as `encoder.name` to new values.

    Raises:
        ParamsError: a key does not exist in the file.
    """
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        _set(path, document, key, value)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(document, file)


def _set(path: Path, document: Any, key: str, value: Any) -> None:  # noqa: ANN401 - YAML is what it is
    *sections, last = key.split(".")
    for section in sections:
        document = document.get(section) if isinstance(document, dict) else None
    if not isinstance(document, dict) or last not in document:
        raise ParamsError(f"{path}: there is no key '{key}' to change")
    document[last] = _with_comments_of(document[last], value)


def _with_comments_of(old: Any, new: Any) -> Any:  # noqa: ANN401
    """A list in place of another: each item that stays keeps its comment, the last one gets what follows the list."""
    if not (isinstance(old, CommentedSeq) and isinstance(new, list) and old and new):
        return new
    # ruamel hangs all up to the next key on an item: the rest of its line, and, after the last item, the lines below.
    tokens = {old[index]: found[0] for index, found in old.ca.items.items()}
    following: Any = tokens.get(old[-1])
    below = following.value.partition("\n")[2] if following else ""
    replaced = CommentedSeq(new)
    for index, item in enumerate(new):
        beside = tokens[item].value.partition("\n")[0] if item in tokens else ""
        text = f"{beside}\n{below if index == len(new) - 1 else ''}"
        if text.strip():
            mark = tokens.get(item, following).start_mark
            replaced.ca.items[index] = [CommentToken(text, mark), None, None, None]
    return replaced
