"""Pre-trained encoders with random weights, as Hugging Face's library writes them, and networks trained from them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    PreTrainedModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from q2pt_tasks.model.build import build_network
from q2pt_tasks.model.encoder import EncoderParams, ScratchParams
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.tokenizer import QueryTokenizer, train_tokenizer

TOKENS = 200
SIZES = {
    "vocab_size": TOKENS,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 64,
}
ENCODERS: Mapping[str, Callable[[], PreTrainedModel]] = {
    "distilbert": lambda: DistilBertModel(
        DistilBertConfig(vocab_size=TOKENS, dim=24, n_layers=2, n_heads=3, hidden_dim=40, max_position_embeddings=64)
    ),
    "bert": lambda: BertModel(BertConfig.from_dict(SIZES)),
    "xlm-roberta": lambda: XLMRobertaModel(XLMRobertaConfig.from_dict({**SIZES, "type_vocab_size": 1})),
    "electra": lambda: ElectraModel(ElectraConfig.from_dict({**SIZES, "embedding_size": 24})),
}
TYPES = ("HAT", "SHOES", "TROUSERS")
PARAMS = EncoderParams(
    name="owner/encoder",
    revision="main",
    max_tokens=16,
    scratch=ScratchParams(layers=1, width=16, heads=2, unified_vocabulary=100, non_unified_vocabulary=100),
)


def write_encoder(folder: Path, kind: str = "bert", dtype: torch.dtype = torch.float32) -> Path:
    """An encoder of this kind and, with it, a tokenizer of fewer pieces than it has rows."""
    torch.manual_seed(7)
    encoder = ENCODERS[kind]()
    for parameter in encoder.parameters():
        parameter.data = parameter.data.to(dtype)
    encoder.save_pretrained(folder)
    tokenizer().save(folder)
    return folder


def tokenizer() -> QueryTokenizer:
    return train_tokenizer(["red shoes", "blue trousers", "hat for women", "shoe rack"], 120)


def trained_network(encoder: Path, rows: tuple[int, ...], pieces: QueryTokenizer | None = None) -> PackedNetwork:
    """A network whose weights have all left the encoder's, but of the word table `rows` alone."""
    network = build_network(PARAMS, encoder, pieces or tokenizer(), TYPES, dropout=0.1)
    assert isinstance(network, PackedNetwork)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter is not network.words.weight:
                parameter.add_(torch.randn_like(parameter) * 0.05)
        network.words.weight[list(rows)] += 0.05
    return network.eval()
