"""The encoders of the BERT family that this code knows: their sizes, as Hugging Face names them in `config.json`."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from torch.nn import functional

Family = Literal["distilbert", "bert", "xlm-roberta"]

CONFIG = "config.json"

ACTIVATIONS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {"gelu": functional.gelu, "relu": functional.relu}
OWN_HEAD_ACTIVATIONS = {**ACTIVATIONS, "tanh": torch.tanh}
# In `config.json`: a head of our own, and what stands before the encoder's kind then, so that Hugging Face's
# library does not take it for one of its own.
OWN_HEAD, OWN_KIND = "q2pt_head", "q2pt-"
HEAD_ACTIVATIONS: Mapping[Family, Callable[[torch.Tensor], torch.Tensor]] = {
    "distilbert": functional.relu,
    "bert": torch.tanh,
    "xlm-roberta": torch.tanh,
}


# Far above any encoder's, and far below what would take a machine's memory to find out.
Size = Annotated[int, Field(ge=1, le=2**24)]
Few = Annotated[int, Field(ge=1, le=1_000)]
Place = Annotated[int, Field(ge=0, le=2**24)]


class ConfigError(ValueError):
    """A `config.json` does not say what an encoder of its kind needs."""


class LayersError(ValueError):
    """An encoder has not the layers that the params ask for, or cannot get them."""


@dataclass(frozen=True, kw_only=True)
class OwnHead:
    """Hidden layers above the encoder, in place of the one that the family's classifiers have."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True)

    layers: Annotated[int, Field(ge=0, le=1_000)]
    width: Size
    activation: str


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
        own_head: what is between the encoder and the logits; None for what the family has.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True)

    family: Family
    tokens: Size
    layers: Few
    width: Size
    heads: Few
    hidden: Size
    positions: Size
    first_position: Place
    segments: Annotated[int, Field(ge=0, le=1_000)]
    pad_token: Place
    activation: str
    norm_epsilon: float
    dropout: float
    attention_dropout: float
    head_dropout: float
    own_head: OwnHead | None = None

    @property
    def max_tokens(self) -> int:
        """The longest query that it can read."""
        return self.positions - self.first_position


_SHAPE = TypeAdapter(Shape)


@dataclass(frozen=True)
class Config:
    """An encoder's sizes, what its head names, and the `config.json` that it came with."""

    shape: Shape
    product_types: tuple[str, ...]
    document: Mapping[str, Any] = field(default_factory=dict)


def read_document(folder: Path) -> Mapping[str, Any]:
    """What the `config.json` in `folder` says.

    Raises:
        OSError: there is none.
        ConfigError: it is no JSON object.
    """
    try:
        document = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{CONFIG} is not readable JSON: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{CONFIG} is no object with keys")
    return document


def keep_first_layers(document: Mapping[str, Any], layers: int) -> Mapping[str, Any]:
    """The `config.json` of an encoder of the BERT family, of which only the first `layers` are left.

    Raises:
        LayersError: it has fewer, or says not how many.
    """
    key = next((key for key in ("n_layers", "num_hidden_layers") if key in document), None)
    if key is None or layers > document[key]:
        has = "does not say how many layers it has" if key is None else f"has {document[key]} layers"
        raise LayersError(f"encoder.keep_layers is {layers}, but the encoder {has}: lower it, or give null")
    return {**document, key: layers}


def with_own_head(document: Mapping[str, Any], head: OwnHead) -> Mapping[str, Any]:
    """The `config.json` of an encoder of the BERT family, with a head of our own above it."""
    kind = f"{OWN_KIND}{document['model_type'].removeprefix(OWN_KIND)}"
    return {**document, "model_type": kind, OWN_HEAD: asdict(head)}


def read_config(folder: Path) -> Config | None:
    """The config of a stored classifier, without dropout; None where this code does not know the kind."""
    document = read_document(folder)
    shape = read_shape(document, dropout=0.0)
    if shape is None:
        return None
    names = document.get("id2label")
    if not isinstance(names, dict) or not all(isinstance(names.get(str(index)), str) for index in range(len(names))):
        raise ConfigError(f"id2label of {CONFIG} does not name the outputs 0, 1 and so on")
    return Config(shape, tuple(names[str(index)] for index in range(len(names))), document)


def read_shape(document: Mapping[str, Any], dropout: float) -> Shape | None:
    """The sizes that a `config.json` names, with `dropout` everywhere; None where this code does not know the kind.

    Raises:
        ConfigError: it does not name them all, or not as numbers that an encoder can have.
    """
    kind = str(document.get("model_type", "")).removeprefix(OWN_KIND)
    if kind not in ("distilbert", "bert", "xlm-roberta"):
        return None
    try:
        shape = _distilbert(document, dropout) if kind == "distilbert" else _bert(document, dropout, kind)
        if OWN_HEAD in document:
            shape = replace(shape, own_head=OwnHead(**document[OWN_HEAD]))
        # Through JSON, which is what a strict look wants.
        _SHAPE.validate_json(json.dumps(asdict(shape)))
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(
            f"{CONFIG} says the encoder's {'.'.join(map(str, problem['loc']))} wrongly: {problem['msg']}"
        ) from None
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{CONFIG} does not say all sizes of an encoder: {type(error).__name__}: {error}") from None
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


def _bert(document: Mapping[str, Any], dropout: float, kind: str) -> Shape:
    is_bert = kind == "bert"
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
    return Config(shape, product_types, with_own_head(document, shape.own_head) if shape.own_head else document)


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


def write_config(folder: Path, config: Config, tokens: int) -> None:
    """Writes the `config.json` of a classifier with a table of `tokens` token embeddings; creates the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shape, types = config.shape, config.product_types
    document = {
        **config.document,
        **dict.fromkeys(_DROPOUTS[shape.family], shape.dropout),
        "architectures": [_ARCHITECTURES[shape.family]] if shape.own_head is None else [],
        "vocab_size": tokens,
        "id2label": {str(index): name for index, name in enumerate(types)},
        "label2id": {name: index for index, name in enumerate(types)},
        "dtype": "float32",
    }
    # Precision is fp32 throughout; an old file may say otherwise under the name that this one replaces.
    document.pop("torch_dtype", None)
    text = json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
