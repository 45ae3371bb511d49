"""Networks from params and from checkpoints: packed ones where the architecture is known here, else Hugging Face's."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from q2pt_tasks.model.encoder import EncoderParams, HeadParams
from q2pt_tasks.model.families import (
    Config,
    LayersError,
    OwnHead,
    Shape,
    keep_first_layers,
    read_config,
    read_document,
    read_shape,
    scratch_config,
    with_own_head,
)
from q2pt_tasks.model.network import Network, grow_words
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.tokenizer import EncoderNotFoundError, QueryTokenizer, encoder_not_found
from q2pt_tasks.model.weights import WEIGHTS, read_weights


class QueryTooLongError(ValueError):
    """The encoder cannot read as many tokens as the params ask for."""


def build_network(
    encoder: EncoderParams, folder: Path, tokenizer: QueryTokenizer, product_types: Sequence[str], dropout: float
) -> Network:
    """A fresh network: the encoder's weights as they are given, a new head with one output per product type.

    Args:
        encoder: which one, and how long the queries are.
        folder: its files; nothing is read there for `scratch`.
        tokenizer: that of the queries.
        product_types: the label space.
        dropout: everywhere.

    Raises:
        EncoderNotFoundError: the encoder cannot be loaded.
        QueryTooLongError: it cannot read `encoder.max_tokens` tokens and a locale token.
        LayersError: it has fewer layers than `encoder.keep_layers`, or cannot be changed as the params ask.
    """
    types = tuple(product_types)
    if encoder.is_scratch:
        network = _scratch(encoder, tokenizer, types, dropout)
    else:
        network = _pretrained(encoder, folder, types, dropout)
    grow_words(network, len(tokenizer))
    return network


def load_network(folder: Path) -> Network:
    """The network of a checkpoint that holds all of its weights.

    Raises:
        OSError, ValueError: the folder holds no such model, or its files do not fit together.
    """
    config = read_config(folder)
    if config is None:
        from q2pt_tasks.model.transformers_network import stored_model

        return stored_model(folder)
    return _stored(config, folder, optional=())


def _scratch(
    encoder: EncoderParams, tokenizer: QueryTokenizer, product_types: tuple[str, ...], dropout: float
) -> Network:
    """A small DistilBERT: the production encoder's architecture."""
    sizes = encoder.scratch
    shape = Shape(
        family="distilbert",
        tokens=len(tokenizer),
        layers=sizes.layers,
        width=sizes.width,
        heads=sizes.heads,
        # Half of what is usual: as good here, and a third of the arithmetic less.
        hidden=2 * sizes.width,
        # One more than a query may have: a locale token.
        positions=encoder.max_tokens + 1,
        first_position=0,
        segments=0,
        pad_token=tokenizer.pad_token,
        # GELU, there and back, was 9 % of a training's time on a CPU.
        activation="relu",
        norm_epsilon=1e-12,
        dropout=dropout,
        attention_dropout=0.0,
        head_dropout=dropout,
        own_head=_own_head(encoder.head) if encoder.head else None,
    )
    return PackedNetwork.drawn(scratch_config(shape, product_types))


def _pretrained(encoder: EncoderParams, folder: Path, product_types: tuple[str, ...], dropout: float) -> Network:
    try:
        document = _changed(encoder, read_document(folder))
        shape = read_shape(document, dropout)
        if shape is None or not (folder / WEIGHTS).is_file():
            _check_plain(encoder)
            from q2pt_tasks.model.transformers_network import fresh_model

            return fresh_model(folder, product_types, dropout)
        _check_length(encoder, shape)
        config = Config(shape, product_types, document)
        return _stored(config, folder, optional=PackedNetwork.weights_above(config))
    except (QueryTooLongError, LayersError):
        raise
    except (OSError, ValueError) as error:
        raise EncoderNotFoundError(encoder_not_found(folder, error)) from error


def _stored(config: Config, folder: Path, optional: Collection[str]) -> PackedNetwork:
    weights = read_weights(folder / WEIGHTS, config.shape, PackedNetwork.shapes(config), optional)
    return PackedNetwork.with_weights(config, weights)


def _changed(encoder: EncoderParams, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The encoder's `config.json` with the layers and the head that the params ask for."""
    if encoder.keep_layers:
        document = keep_first_layers(document, encoder.keep_layers)
    return with_own_head(document, _own_head(encoder.head)) if encoder.head else document


def _own_head(head: HeadParams) -> OwnHead:
    return OwnHead(layers=head.layers, width=head.width, activation=head.activation)


def _check_plain(encoder: EncoderParams) -> None:
    for key, value in (("keep_layers", encoder.keep_layers), ("head", encoder.head)):
        if value is not None:
            raise LayersError(
                f"encoder.{key} is {value}, but {encoder.name} is none of BERT, DistilBERT and RoBERTa with its "
                "weights in one file: give null"
            )


def _check_length(encoder: EncoderParams, shape: Shape) -> None:
    if encoder.max_tokens + 1 > shape.max_tokens:
        raise QueryTooLongError(
            f"encoder.max_tokens is {encoder.max_tokens} and a locale token comes on top, but {encoder.name} reads at "
            f"most {shape.max_tokens}: lower encoder.max_tokens"
        )
