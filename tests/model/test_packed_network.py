"""A packed network gives what Hugging Face's own implementation gives, in scores and in gradients, and reads and writes
its files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraModel,
    PreTrainedModel,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from q2pt_tasks.model.batching import PackedTokens, packed_tokens, pieces_of
from q2pt_tasks.model.build import QueryTooLongError, build_network, load_network
from q2pt_tasks.model.encoder import EncoderParams, HeadParams, ScratchParams
from q2pt_tasks.model.examples import Packed
from q2pt_tasks.model.families import CONFIG, LayersError
from q2pt_tasks.model.network import Network
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.tokenizer import EncoderNotFoundError, train_tokenizer
from q2pt_tasks.model.transformers_network import TransformersNetwork
from q2pt_tasks.model.weights import WEIGHTS, WeightsError, stored_weights

TYPES = ("HAT", "SHOES", "TROUSERS")
TOKENS = 60
# One long query, many short ones, lengths out of order.
QUERIES = [[2, 7, 3], [2, 8, 9, 10, 3], *([[2, 11, 12, 3]] * 4), [2, *range(20, 48), 3], [2, 3], [2, 9, 3]]

BERT_SIZES = {
    "vocab_size": TOKENS,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 64,
    "num_labels": len(TYPES),
}


def _distilbert() -> PreTrainedModel:
    config = DistilBertConfig(
        vocab_size=TOKENS, dim=24, n_layers=3, n_heads=3, hidden_dim=40, max_position_embeddings=64
    )
    config.num_labels = len(TYPES)
    return DistilBertForSequenceClassification(config)


def _bert() -> PreTrainedModel:
    return BertForSequenceClassification(BertConfig.from_dict(BERT_SIZES))


def _xlm_roberta() -> PreTrainedModel:
    return XLMRobertaForSequenceClassification(XLMRobertaConfig.from_dict({**BERT_SIZES, "type_vocab_size": 1}))


MODELS = {"distilbert": _distilbert, "bert": _bert, "xlm-roberta": _xlm_roberta}


@pytest.fixture(params=list(MODELS))
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[PreTrainedModel, Path]:
    """A model of Hugging Face's with random weights and its folder."""
    torch.manual_seed(3)
    model = MODELS[request.param]()
    model.config.id2label = dict(enumerate(TYPES))
    with torch.no_grad():
        for parameter in model.parameters():
            # Also what starts as zeros or ones, such as biases and norms.
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(tmp_path)
    return model.eval(), tmp_path


def _padded(model: PreTrainedModel, queries: list[list[int]]) -> torch.Tensor:
    longest = max(map(len, queries))
    pad = model.config.pad_token_id
    token_ids = torch.tensor([query + [pad] * (longest - len(query)) for query in queries])
    mask = torch.tensor([[1] * len(query) + [0] * (longest - len(query)) for query in queries])
    logits: torch.Tensor = model(input_ids=token_ids, attention_mask=mask).logits
    return logits


def _packed(queries: list[list[int]]) -> PackedTokens:
    return packed_tokens(Packed.pack(queries))


@pytest.mark.parametrize("queries", [QUERIES, QUERIES[:1]], ids=["several", "one"])
def test_scores_are_those_of_hugging_face(stored: tuple[PreTrainedModel, Path], queries: list[list[int]]) -> None:
    model, folder = stored
    network = load_network(folder).eval()
    assert isinstance(network, PackedNetwork)
    assert network.product_types == TYPES
    torch.testing.assert_close(network(_packed(queries)), _padded(model, queries), rtol=1e-4, atol=1e-5)


def test_a_query_alone_in_a_longer_row_sees_itself_alone(stored: tuple[PreTrainedModel, Path]) -> None:
    model, folder = stored
    network = load_network(folder).eval()
    # A piece of one row for each query, of the length of the longest.
    queries = [[2, *range(20, 48), 3], [2, 7, 3]]
    pieces = list(pieces_of(Packed.pack(queries), np.arange(2), 1))
    assert [len(piece.tokens) for piece in pieces] == [1, 1]
    for piece in pieces:
        (row,) = piece.rows
        torch.testing.assert_close(network(piece.tokens), _padded(model, [queries[row]]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("queries", [QUERIES, QUERIES[:1]], ids=["several", "one"])
def test_gradients_are_those_of_hugging_face(stored: tuple[PreTrainedModel, Path], queries: list[list[int]]) -> None:
    model, folder = stored
    network = load_network(folder).eval()
    targets = torch.tensor(np.random.default_rng(0).random((len(queries), len(TYPES))), dtype=torch.float32)
    for logits in (network(_packed(queries)), _padded(model, queries)):
        torch.nn.functional.binary_cross_entropy_with_logits(logits, targets).backward()
    assert isinstance(network, PackedNetwork)
    gradients = {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
    ours = stored_weights(network.config.shape, gradients)
    theirs = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    # The same weights are reached, under the names of their files.
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-3, atol=1e-6, msg=name)


def test_hugging_face_opens_what_is_saved(stored: tuple[PreTrainedModel, Path], tmp_path: Path) -> None:
    _, folder = stored
    network = load_network(folder).eval()
    network.save(tmp_path / "saved")
    opened = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    torch.testing.assert_close(network(_packed(QUERIES)), _padded(opened, QUERIES), rtol=1e-4, atol=1e-5)
    assert tuple(opened.config.id2label.values()) == TYPES
    again = load_network(tmp_path / "saved").eval()
    assert torch.equal(again(_packed(QUERIES)), network(_packed(QUERIES)))


def _encoder(name: str = "owner/encoder", max_tokens: int = 8) -> EncoderParams:
    sizes = ScratchParams(layers=2, width=16, heads=2, unified_vocabulary=120, non_unified_vocabulary=120)
    return EncoderParams(name=name, revision="main", max_tokens=max_tokens, scratch=sizes)


def _build(folder: Path, max_tokens: int = 8) -> Network:
    encoder = _encoder(max_tokens=max_tokens)
    return build_network(encoder, folder, train_tokenizer(["red shoes"], 120), ["A", "B"], 0.1)


def test_a_bare_encoder_gets_a_head(tmp_path: Path) -> None:
    encoder = BertModel(BertConfig.from_dict(BERT_SIZES))
    encoder.save_pretrained(tmp_path)
    network = _build(tmp_path)
    assert isinstance(network, PackedNetwork)
    assert network.product_types == ("A", "B")
    assert torch.equal(network.words.weight, encoder.get_input_embeddings().weight)
    assert network.dropout.p == 0.1


def test_an_encoder_without_one_of_its_weights_is_refused(stored: tuple[PreTrainedModel, Path]) -> None:
    _, folder = stored
    config = (folder / CONFIG).read_text()
    (folder / CONFIG).write_text(
        config.replace('"num_hidden_layers": 3', '"num_hidden_layers": 4').replace('"n_layers": 3', '"n_layers": 4')
    )
    with pytest.raises(WeightsError, match=r"layer\.3\..* is missing, expected"):
        load_network(folder)
    with pytest.raises(EncoderNotFoundError, match=r"cannot be loaded: .*missing"):
        _build(folder)


def test_an_encoder_that_reads_too_little_is_refused(stored: tuple[PreTrainedModel, Path]) -> None:
    with pytest.raises(QueryTooLongError, match=r"encoder.max_tokens is 64 .* reads at most 6[24]: lower"):
        _build(stored[1], max_tokens=64)


def test_the_first_layers_of_an_encoder_are_those_that_hugging_face_keeps(
    stored: tuple[PreTrainedModel, Path], tmp_path: Path
) -> None:
    _, folder = stored
    encoder = _encoder().model_copy(update={"keep_layers": 2})
    network = build_network(encoder, folder, train_tokenizer(["red shoes"], 120), TYPES, 0.0).eval()
    config = AutoConfig.from_pretrained(folder)
    config.num_hidden_layers = 2
    opened = AutoModelForSequenceClassification.from_pretrained(folder, config=config).eval()
    torch.testing.assert_close(network(_packed(QUERIES)), _padded(opened, QUERIES), rtol=1e-4, atol=1e-5)
    network.save(tmp_path / "saved")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    torch.testing.assert_close(network(_packed(QUERIES)), _padded(again, QUERIES), rtol=1e-4, atol=1e-5)


def test_more_layers_than_an_encoder_has_are_refused(stored: tuple[PreTrainedModel, Path]) -> None:
    encoder = _encoder().model_copy(update={"keep_layers": 4})
    with pytest.raises(LayersError, match=r"encoder.keep_layers is 4, but the encoder has 3 layers: lower it"):
        build_network(encoder, stored[1], train_tokenizer(["red shoes"], 120), TYPES, 0.0)


@pytest.mark.parametrize(
    "changes", [{"keep_layers": 2}, {"head": HeadParams(layers=2, width=16, activation="gelu")}], ids=["layers", "head"]
)
def test_an_architecture_that_is_not_known_cannot_be_changed(tmp_path: Path, changes: dict[str, object]) -> None:
    ElectraModel(ElectraConfig.from_dict({**BERT_SIZES, "embedding_size": 24})).save_pretrained(tmp_path)
    encoder = _encoder().model_copy(update=changes)
    with pytest.raises(LayersError, match="none of BERT, DistilBERT and RoBERTa"):
        build_network(encoder, tmp_path, train_tokenizer(["red shoes"], 120), TYPES, 0.0)


HEADS = [HeadParams(layers=0, width=16, activation="relu"), HeadParams(layers=2, width=20, activation="tanh")]


@pytest.mark.parametrize("head", HEADS, ids=["none", "two layers"])
def test_a_head_of_our_own_is_stored_and_read_and_hugging_face_refuses_it(
    stored: tuple[PreTrainedModel, Path], tmp_path: Path, head: HeadParams
) -> None:
    encoder = _encoder().model_copy(update={"head": head})
    network = build_network(encoder, stored[1], train_tokenizer(["red shoes"], 120), TYPES, 0.0).eval()
    assert isinstance(network, PackedNetwork)
    assert [name for name in network.state_dict() if name.startswith("pre.")] == [
        f"pre.{layer}.{kind}" for layer in range(head.layers) for kind in ("weight", "bias")
    ]
    assert network.head.in_features == (head.width if head.layers else network.config.shape.width)
    network.save(tmp_path / "saved")
    again = load_network(tmp_path / "saved").eval()
    assert torch.equal(again(_packed(QUERIES)), network(_packed(QUERIES)))
    assert {id(weight) for weight in network.new_parameters()} == {
        id(weight) for name, weight in network.named_parameters() if name.startswith(("pre.", "scores."))
    }
    with pytest.raises(ValueError, match="q2pt-"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")


def test_hidden_layers_of_our_own_are_bent_and_chained() -> None:
    encoder = _encoder("scratch").model_copy(update={"head": HEADS[1]})
    network = build_network(encoder, Path("none"), train_tokenizer(["red shoes"], 120), ["A", "B"], 0.0).eval()
    assert isinstance(network, PackedNetwork)
    first, second = network.pre[0], network.pre[1]  # type: ignore[index]
    states = torch.randn(3, 16)
    by_hand = torch.tanh(torch.tanh(states @ first.weight.T + first.bias) @ second.weight.T + second.bias)
    torch.testing.assert_close(network.pre(states), by_hand)


def test_an_architecture_that_is_not_known_runs_as_hugging_face_does(tmp_path: Path) -> None:
    config = ElectraConfig.from_dict({**BERT_SIZES, "embedding_size": 24})
    ElectraModel(config).save_pretrained(tmp_path)
    network = _build(tmp_path)
    assert isinstance(network, TransformersNetwork)
    logits = network.eval()(_packed(QUERIES[:2]))
    torch.testing.assert_close(logits, _padded(network.model, QUERIES[:2]))
    network.save(tmp_path / "saved")
    again = load_network(tmp_path / "saved").eval()
    assert again.product_types == ("A", "B")
    torch.testing.assert_close(again(_packed(QUERIES[:2])), logits)


def test_a_scratch_network_saves_what_hugging_face_opens(tmp_path: Path) -> None:
    torch.manual_seed(1)
    tokenizer = train_tokenizer(["red shoes"], 120)
    network = build_network(_encoder("scratch"), tmp_path / "none", tokenizer, ["A", "B"], 0.1).eval()
    network.save(tmp_path)
    assert (tmp_path / WEIGHTS).is_file()
    opened = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(network(_packed([[2, 5, 3], [2, 3]])), _padded(opened, [[2, 5, 3], [2, 3]]))
