"""How Hugging Face names sizes and weights of the encoders of the BERT family, in `config.json` and in a file."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn import functional

Family = Literal["distilbert", "bert", "xlm-roberta"]

CONFIG, WEIGHTS = "config.json", "model.safetensors"
# Our name of the table of token embeddings.
WORDS = "embeddings.words.weight"

ACTIVATIONS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {"gelu": functional.gelu, "relu": functional.relu}
HEAD_ACTIVATIONS: Mapping[Family, Callable[[torch.Tensor], torch.Tensor]] = {
    "distilbert": functional.relu,
    "bert": torch.tanh,
    "xlm-roberta": torch.tanh,
}


class WeightsError(ValueError):
    """A file of weights does not fit the sizes that its config names."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of an encoder.

    Attributes:
        tokens: rows of the table of token embeddings.
        hidden: width inside a layer's second part.
        first_position: row of the table of positions that a query's first token has.
        segments: rows of the table of segments; 0 where there is none.
        dropout: after the embeddings and at the end of each layer.
        attention_dropout: after each layer's attention.
        head_dropout: before the logits.
    """

    family: Family
    tokens: int
    layers: int
    width: int
    heads: int
    hidden: int
    positions: int
    first_position: int
    segments: int
    pad_token: int
    activation: str
    norm_epsilon: float
    dropout: float
    attention_dropout: float
    head_dropout: float

    @property
    def max_tokens(self) -> int:
        """The longest query that it can read."""
        return self.positions - self.first_position


@dataclass(frozen=True)
class Config:
    """An encoder's sizes, what its head names, and the `config.json` that it came with."""

    shape: Shape
    product_types: tuple[str, ...]
    document: Mapping[str, Any] = field(default_factory=dict)


def read_document(folder: Path) -> Mapping[str, Any]:
    """What the `config.json` in `folder` says."""
    document: Mapping[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return document


def read_config(folder: Path) -> Config | None:
    """The config of a stored classifier, without dropout; None where this code does not know the kind."""
    document = read_document(folder)
    shape = read_shape(document, dropout=0.0)
    if shape is None:
        return None
    names = document["id2label"]
    return Config(shape, tuple(names[str(index)] for index in range(len(names))), document)


def read_shape(document: Mapping[str, Any], dropout: float) -> Shape | None:
    """The sizes that a `config.json` names, with `dropout` everywhere; None where this code does not know the kind."""
    if document.get("model_type") == "distilbert":
        shape = _distilbert(document, dropout)
    elif document.get("model_type") in ("bert", "xlm-roberta"):
        shape = _bert(document, dropout)
    else:
        return None
    return shape if shape.activation in ACTIVATIONS and _has_plain_positions(document) else None


def _has_plain_positions(document: Mapping[str, Any]) -> bool:
    return document.get("position_embedding_type", "absolute") == "absolute" and not document.get("is_decoder", False)


def _distilbert(document: Mapping[str, Any], dropout: float) -> Shape:
    return Shape(
        family="distilbert",
        tokens=document["vocab_size"],
        layers=document["n_layers"],
        width=document["dim"],
        heads=document["n_heads"],
        hidden=document["hidden_dim"],
        positions=document["max_position_embeddings"],
        first_position=0,
        segments=0,
        pad_token=document.get("pad_token_id", 0),
        activation=document.get("activation", "gelu"),
        norm_epsilon=1e-12,
        dropout=dropout,
        attention_dropout=0.0,
        head_dropout=dropout,
    )


def _bert(document: Mapping[str, Any], dropout: float) -> Shape:
    is_bert = document["model_type"] == "bert"
    pad_token = document.get("pad_token_id", 0 if is_bert else 1)
    return Shape(
        family="bert" if is_bert else "xlm-roberta",
        tokens=document["vocab_size"],
        layers=document["num_hidden_layers"],
        width=document["hidden_size"],
        heads=document["num_attention_heads"],
        hidden=document["intermediate_size"],
        positions=document["max_position_embeddings"],
        # RoBERTa counts on from its padding token.
        first_position=0 if is_bert else pad_token + 1,
        segments=document.get("type_vocab_size", 2),
        pad_token=pad_token,
        activation=document.get("hidden_act", "gelu"),
        norm_epsilon=document.get("layer_norm_eps", 1e-12),
        dropout=dropout,
        attention_dropout=dropout,
        head_dropout=dropout,
    )


def scratch_config(shape: Shape, product_types: tuple[str, ...]) -> Config:
    """The config of a DistilBERT that starts from nothing."""
    document = {
        "model_type": "distilbert",
        "n_layers": shape.layers,
        "dim": shape.width,
        "n_heads": shape.heads,
        "hidden_dim": shape.hidden,
        "max_position_embeddings": shape.positions,
        "pad_token_id": shape.pad_token,
        "activation": shape.activation,
    }
    return Config(shape, product_types, document)


_ARCHITECTURES: Mapping[Family, str] = {
    "distilbert": "DistilBertForSequenceClassification",
    "bert": "BertForSequenceClassification",
    "xlm-roberta": "XLMRobertaForSequenceClassification",
}
_DROPOUTS: Mapping[Family, tuple[str, ...]] = {
    "distilbert": ("dropout", "seq_classif_dropout"),
    "bert": ("hidden_dropout_prob", "classifier_dropout"),
    "xlm-roberta": ("hidden_dropout_prob", "classifier_dropout"),
}


def write_model(folder: Path, config: Config, weights: Mapping[str, torch.Tensor]) -> None:
    """Writes `config.json` and the weights, by their names here, under Hugging Face's names."""
    write_config(folder, config, tokens=len(weights[WORDS]))
    write_weights(folder / WEIGHTS, stored_weights(config.shape, weights))


def write_config(folder: Path, config: Config, tokens: int) -> None:
    """Writes the `config.json` of a classifier with a table of `tokens` token embeddings; creates the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shape, types = config.shape, config.product_types
    document = {
        **config.document,
        **dict.fromkeys(_DROPOUTS[shape.family], shape.dropout),
        "architectures": [_ARCHITECTURES[shape.family]],
        "vocab_size": tokens,
        "id2label": {str(index): name for index, name in enumerate(types)},
        "label2id": {name: index for index, name in enumerate(types)},
        "dtype": "float32",
    }
    # Precision is fp32 throughout; an old file may say otherwise under the name that this one replaces.
    document.pop("torch_dtype", None)
    text = json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


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
    file: Path, shape: Shape, wanted: Mapping[str, torch.Tensor], optional: set[str]
) -> dict[str, torch.Tensor]:
    """The weights of a Hugging Face file by their names here, in fp32; those of `optional` may be missing or not fit.

    Raises:
        WeightsError: another one is missing or has another shape than in `wanted`.
    """
    try:
        return own_weights(load_file(file), shape, wanted, optional)
    except WeightsError as error:
        raise WeightsError(f"{file}: {error}") from None


def own_weights(
    stored: Mapping[str, torch.Tensor], shape: Shape, wanted: Mapping[str, torch.Tensor], optional: set[str]
) -> dict[str, torch.Tensor]:
    """As `read_weights`, of tensors in memory."""
    stored = {_modern(name, shape.family): weight for name, weight in stored.items()}
    found: dict[str, torch.Tensor] = {}
    for own, names in _names(shape).items():
        parts = [stored[name] for name in names if name in stored]
        joined = torch.cat(parts).float() if len(parts) == len(names) else None
        if joined is not None and joined.shape == wanted[own].shape:
            found[own] = joined
        elif own not in optional:
            has = "missing" if joined is None else f"of shape {tuple(joined.shape)}"
            raise WeightsError(f"{', '.join(names)} is {has}, expected {tuple(wanted[own].shape)}")
    return found


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
    for own, theirs in {**inside, **_ABOVE[shape.family]}.items():
        for kind in ("weight", "bias"):
            named[f"{own}.{kind}"] = tuple(f"{name}.{kind}" for name in theirs)
    return named


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
