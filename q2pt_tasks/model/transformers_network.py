"""Encoders that `packed_network` does not know, as Hugging Face's `transformers` runs them: padded, and slower."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from q2pt_tasks.model.batching import PackedTokens
from q2pt_tasks.model.network import Float32Linear, Network


class TransformersNetwork(Network):
    """Any sequence classification model of `transformers`."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        # Its weights and their names stay as they are.
        self.head.__class__ = Float32Linear

    def forward(self, tokens: PackedTokens) -> torch.Tensor:
        """Logits of n queries, shape (n, product types)."""
        token_ids, mask = self._padded(tokens)
        return cast(torch.Tensor, self.model(input_ids=token_ids, attention_mask=mask).logits)

    def _padded(self, tokens: PackedTokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids (n, longest) and their attention mask."""
        here = tokens.owners >= 0
        row, place = tokens.owners[here], tokens.positions[here]
        shape = (len(tokens), int(place.max()) + 1)
        # Of the table as it is: training has trimmed it.
        token_ids = torch.full(shape, self.words.padding_idx or 0, device=tokens.ids.device)
        token_ids[row, place] = tokens.ids[here]
        mask = torch.zeros(shape, dtype=torch.bool, device=tokens.ids.device)
        mask[row, place] = True
        return token_ids, mask

    @property
    def words(self) -> nn.Embedding:
        return cast(nn.Embedding, self.model.get_input_embeddings())

    def set_words(self, words: nn.Embedding) -> None:
        self.model.set_input_embeddings(words)
        self.model.config.vocab_size = words.num_embeddings

    @property
    def head(self) -> nn.Linear:
        heads = [module for module in self.model.modules() if isinstance(module, nn.Linear)]
        head = heads[-1]
        if head.out_features != self.model.config.num_labels:
            raise ValueError(
                f"{type(self.model).__name__}: its last linear layer has {head.out_features} outputs, "
                "not one per product type"
            )
        return head

    @property
    def product_types(self) -> tuple[str, ...]:
        names = dict(self.model.config.id2label or {})
        return tuple(str(name) for _, name in sorted(names.items()))

    def new_parameters(self) -> list[nn.Parameter]:
        new = {"classifier", "pre_classifier", "pooler"}
        return [parameter for name, parameter in self.model.named_parameters() if new & set(name.split("."))]

    def save(self, folder: Path) -> None:
        quiet_transformers()
        self.model.save_pretrained(folder)


class ModelError(ValueError):
    """A model of a kind that only `transformers` knows cannot be loaded."""


# A folder may name code of its own or hold a pickle: neither is run, and nothing else is fetched.
_DATA_ALONE: Mapping[str, bool] = {"use_safetensors": True, "trust_remote_code": False, "local_files_only": True}


def fresh_model(encoder: Path, product_types: tuple[str, ...], dropout: float) -> TransformersNetwork:
    """The pre-trained encoder in the folder `encoder` with a new head.

    Raises:
        OSError, ValueError: it cannot be loaded.
    """
    quiet_transformers()
    labels = {
        "num_labels": len(product_types),
        "id2label": dict(enumerate(product_types)),
        "label2id": {product_type: index for index, product_type in enumerate(product_types)},
    }
    config = AutoConfig.from_pretrained(encoder, local_files_only=True, trust_remote_code=False, **labels)
    _set_dropout(config, dropout)
    model = AutoModelForSequenceClassification.from_pretrained(
        encoder, config=config, dtype=torch.float32, **_DATA_ALONE
    )
    return TransformersNetwork(model)


def stored_model(folder: Path) -> TransformersNetwork:
    """A model that `TransformersNetwork.save` wrote.

    Raises:
        ModelError: it cannot be loaded.
    """
    quiet_transformers()
    try:
        model, loaded = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, **_DATA_ALONE
        )
        network = TransformersNetwork(model)
    except Exception as error:  # what the library meets in files of others has errors of any class
        raise ModelError(f"transformers cannot load it: {type(error).__name__}: {error}") from error
    # The library draws at random what the file lacks.
    if lacking := sorted({*loaded["missing_keys"], *map(str, loaded["mismatched_keys"])}):
        raise ModelError(f"transformers finds no weights for {', '.join(lacking[:5])} ({len(lacking)} in all)")
    return network


def quiet_transformers() -> None:
    """No progress bars of the library's own, and no report that a new head is missing from an encoder's checkpoint."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def _set_dropout(config: PretrainedConfig, dropout: float) -> None:
    """Sets every dropout of the architecture, whatever it calls them."""
    for name, value in config.to_dict().items():
        if "dropout" in name and (value is None or isinstance(value, float)):
            setattr(config, name, dropout)
