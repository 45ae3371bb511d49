"""The weights of the encoders of the BERT family in a file, under the names that Hugging Face gives them."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from q2pt_tasks.model.families import OWN_HEAD, Config, Family, Shape, write_config

WEIGHTS = "model.safetensors"
# Our name of the table of token embeddings.
WORDS = "embeddings.words.weight"


class WeightsError(ValueError):
    """A file of weights does not fit the sizes that its config names."""


def write_model(folder: Path, config: Config, weights: Mapping[str, torch.Tensor]) -> None:
    """Writes `config.json` and the weights, by their names here, under Hugging Face's names."""
    write_config(folder, config, tokens=len(weights[WORDS]))
    write_weights(folder / WEIGHTS, stored_weights(config.shape, weights))


def stored_weights(shape: Shape, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """`weights`, by their names here, in fp32 and under Hugging Face's names."""
    names = _names(shape)
    return {
        name: part.contiguous()
        for own, weight in weights.items()
        for name, part in zip(names[own], weight.detach().cpu().float().chunk(len(names[own])), strict=True)
    }


def write_weights(file: Path, stored: Mapping[str, torch.Tensor]) -> None:
    """Writes tensors under the names that they have."""
    save_file(dict(stored), file, metadata={"format": "pt"})


def read_weights(
    file: Path, shape: Shape, wanted: Mapping[str, torch.Size], optional: Collection[str]
) -> dict[str, torch.Tensor]:
    """The weights of a Hugging Face file by their names here, in fp32; those of `optional` may be missing or not fit.

    What the file holds in fp32 and under one name is mapped into memory: it stands there in parts, as they are used.

    Raises:
        WeightsError: another one is missing or has another shape than in `wanted`.
    """
    try:
        return own_weights(load_file(file), shape, wanted, optional)
    except WeightsError as error:
        raise WeightsError(f"{file}: {error}") from None


def own_weights(
    stored: Mapping[str, torch.Tensor], shape: Shape, wanted: Mapping[str, torch.Size], optional: Collection[str]
) -> dict[str, torch.Tensor]:
    """As `read_weights`, of tensors in memory."""
    stored = {_modern(name, shape.family): weight for name, weight in stored.items()}
    found: dict[str, torch.Tensor] = {}
    for own, names in _names(shape).items():
        parts = [stored[name] for name in names if name in stored]
        joined = _joined(parts) if len(parts) == len(names) else None
        if joined is not None and joined.shape == wanted[own]:
            found[own] = joined
        elif own not in optional:
            has = "missing" if joined is None else f"of shape {tuple(joined.shape)}"
            raise WeightsError(f"{', '.join(names)} is {has}, expected {tuple(wanted[own])}")
    return found


def _joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """One below the other, in fp32; a single one in fp32 as it is, without a copy."""
    return (torch.cat(list(parts)) if len(parts) > 1 else parts[0]).float()


def map_words(file: Path, shape: Shape) -> torch.Tensor:
    """The table of token embeddings in a Hugging Face file, as it is stored there, shape (tokens, width).

    It is mapped into memory and not read: who needs it for long makes a copy.

    Raises:
        WeightsError: the file has none.
    """
    (wanted,) = _names(shape)[WORDS]
    with safe_open(file, framework="pt") as stored:
        for name in stored.keys():  # noqa: SIM118 - no mapping
            if _modern(name, shape.family) == wanted:
                table: torch.Tensor = stored.get_tensor(name)
                return table
    raise WeightsError(f"{file} has no {wanted}")


def _modern(name: str, family: Family) -> str:
    """A stored weight's name with the encoder's prefix, which a bare encoder lacks, and today's words for a norm."""
    bare = name.startswith(("embeddings.", "encoder.", "transformer.", "pooler."))
    full = f"{_PREFIXES[family]}.{name}" if bare else name
    return full.replace(".gamma", ".weight").replace(".beta", ".bias")


def _names(shape: Shape) -> dict[str, tuple[str, ...]]:
    """The name of each weight here -> Hugging Face's, several where one here is theirs one below the other."""
    modules: dict[str, tuple[str, ...]] = {"embeddings.norm": ("embeddings.LayerNorm",)}
    for index in range(shape.layers):
        for own, theirs in _LAYERS[shape.family].items():
            modules[f"layers.{index}.{own}"] = tuple(name.format(index) for name in theirs)
    prefix = _PREFIXES[shape.family]
    inside = {own: tuple(f"{prefix}.{name}" for name in theirs) for own, theirs in modules.items()}
    tables = {"words": "word", "positions": "position"} | ({"segments": "token_type"} if shape.segments else {})
    named: dict[str, tuple[str, ...]] = {
        f"embeddings.{own}.weight": (f"{prefix}.embeddings.{theirs}_embeddings.weight",)
        for own, theirs in tables.items()
    }
    for own, theirs in {**inside, **_above(shape)}.items():
        for kind in ("weight", "bias"):
            named[f"{own}.{kind}"] = tuple(f"{name}.{kind}" for name in theirs)
    return named


def _above(shape: Shape) -> Mapping[str, tuple[str, ...]]:
    """The same of the layers above the encoder."""
    if shape.own_head is None:
        return _ABOVE[shape.family]
    hidden = {f"pre.{index}": (f"{OWN_HEAD}.{index}",) for index in range(shape.own_head.layers)}
    return {**hidden, "scores": (f"{OWN_HEAD}.scores",)}


_PREFIXES: Mapping[Family, str] = {"distilbert": "distilbert", "bert": "bert", "xlm-roberta": "roberta"}
_ABOVE: Mapping[Family, Mapping[str, tuple[str, ...]]] = {
    "distilbert": {"pre": ("pre_classifier",), "scores": ("classifier",)},
    "bert": {"pre": ("bert.pooler.dense",), "scores": ("classifier",)},
    "xlm-roberta": {"pre": ("classifier.dense",), "scores": ("classifier.out_proj",)},
}
_DISTILBERT_LAYER = {
    "attention_in": tuple(f"transformer.layer.{{}}.attention.{part}_lin" for part in "qkv"),
    "attention_out": ("transformer.layer.{}.attention.out_lin",),
    "attention_norm": ("transformer.layer.{}.sa_layer_norm",),
    "hidden_in": ("transformer.layer.{}.ffn.lin1",),
    "hidden_out": ("transformer.layer.{}.ffn.lin2",),
    "output_norm": ("transformer.layer.{}.output_layer_norm",),
}
_BERT_LAYER = {
    "attention_in": tuple(f"encoder.layer.{{}}.attention.self.{part}" for part in ("query", "key", "value")),
    "attention_out": ("encoder.layer.{}.attention.output.dense",),
    "attention_norm": ("encoder.layer.{}.attention.output.LayerNorm",),
    "hidden_in": ("encoder.layer.{}.intermediate.dense",),
    "hidden_out": ("encoder.layer.{}.output.dense",),
    "output_norm": ("encoder.layer.{}.output.LayerNorm",),
}
_LAYERS: Mapping[Family, Mapping[str, tuple[str, ...]]] = {
    "distilbert": _DISTILBERT_LAYER,
    "bert": _BERT_LAYER,
    "xlm-roberta": _BERT_LAYER,
}
