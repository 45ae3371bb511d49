"""What training changed is all that is stored, and with the encoder it is the whole network again."""

from pathlib import Path

import pytest
import torch
from pretrained import ENCODERS, TOKENS, tokenizer, trained_network, write_encoder
from safetensors.torch import load_file, save_file

from q2pt_tasks.model.batching import packed_tokens
from q2pt_tasks.model.delta import DELTA, load_delta, round_matrices, save_delta
from q2pt_tasks.model.examples import Packed
from q2pt_tasks.model.families import CONFIG
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.weights import WEIGHTS, WeightsError

QUERIES = packed_tokens(Packed.pack([[2, 7, 3], [2, 8, 9, 10, 3], [2, 30, 31, 3], [2, 7, 199, 3]]))
ROWS = (7, 30, 31)


def _rounded(encoder: Path) -> PackedNetwork:
    network = trained_network(encoder, ROWS)
    round_matrices(network)
    return network


def _same(one: PackedNetwork, other: PackedNetwork) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", [kind for kind in ENCODERS if kind != "electra"])
def test_changes_and_encoder_make_the_network_again(tmp_path: Path, kind: str, dtype: torch.dtype) -> None:
    encoder = write_encoder(tmp_path / "encoder", kind, dtype)
    before = (encoder / WEIGHTS).read_bytes()
    network = _rounded(encoder)
    save_delta(tmp_path / "model", network, encoder / WEIGHTS)
    again = load_delta(tmp_path / "model", encoder / WEIGHTS).eval()
    assert _same(again, network)
    assert torch.equal(again(QUERIES), network(QUERIES))
    assert again.product_types == network.product_types
    assert all(parameter.requires_grad and parameter.dtype == torch.float32 for parameter in again.parameters())
    assert (encoder / WEIGHTS).read_bytes() == before


def test_of_the_word_table_only_the_rows_that_changed_are_stored(tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    save_delta(tmp_path / "model", _rounded(encoder), encoder / WEIGHTS)
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == sorted([CONFIG, DELTA])
    stored = load_file(tmp_path / "model" / DELTA)
    assert stored.pop("words.ids").tolist() == list(ROWS)
    assert stored.pop("words.rows").shape == (len(ROWS), 24)
    assert not [name for name in stored if "word_embeddings" in name]
    halved = {name for name, weight in stored.items() if weight.dtype == torch.bfloat16}
    assert halved == {name for name in stored if ".layer." in name and "LayerNorm" not in name and "bias" not in name}
    assert {weight.dtype for name, weight in stored.items() if name not in halved} == {torch.float32}


def test_a_network_that_has_not_been_rounded_is_stored_rounded(tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    network = trained_network(encoder, ROWS)
    save_delta(tmp_path / "model", network, encoder / WEIGHTS)
    again = load_delta(tmp_path / "model", encoder / WEIGHTS)
    assert not _same(again, network)
    round_matrices(network)
    assert _same(again, network)


def test_rounding_changes_no_score_in_bf16_and_little_in_fp32(tmp_path: Path) -> None:
    exact = trained_network(write_encoder(tmp_path / "encoder"), ROWS)
    rounded = _rounded(tmp_path / "encoder")
    rounded.load_state_dict(exact.state_dict())
    round_matrices(rounded)
    with torch.inference_mode():
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(exact(QUERIES), rounded(QUERIES))
        scores, others = exact(QUERIES).sigmoid(), rounded(QUERIES).sigmoid()
    assert not torch.equal(scores, others)
    torch.testing.assert_close(scores, others, rtol=0, atol=2e-3)


def test_rows_of_tokens_that_the_encoder_lacks_are_stored(tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    pieces = tokenizer()
    pieces.add([f"[new-{number}]" for number in range(TOKENS)])
    network = trained_network(encoder, ROWS, pieces)
    round_matrices(network)
    save_delta(tmp_path / "model", network, encoder / WEIGHTS)
    ids = load_file(tmp_path / "model" / DELTA)["words.ids"]
    assert ids.tolist() == [*ROWS, *range(TOKENS, len(pieces))]
    assert _same(load_delta(tmp_path / "model", encoder / WEIGHTS), network)


def test_an_encoder_of_another_width_is_no_base(tmp_path: Path) -> None:
    network = trained_network(write_encoder(tmp_path / "encoder"), ROWS)
    save_file({"embeddings.word_embeddings.weight": torch.zeros(TOKENS, 8)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"shape \(200, 24\), its base one of \(200, 8\)"):
        save_delta(tmp_path / "model", network, tmp_path / "other.safetensors")


def test_a_base_without_a_word_table_is_refused(tmp_path: Path) -> None:
    network = trained_network(write_encoder(tmp_path / "encoder"), ROWS)
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"has no bert\.embeddings\.word_embeddings\.weight"):
        save_delta(tmp_path / "model", network, tmp_path / "other.safetensors")


def test_changes_that_do_not_fill_the_table_are_refused(tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    save_delta(tmp_path / "model", _rounded(encoder), encoder / WEIGHTS)
    config = tmp_path / "model" / CONFIG
    config.write_text(config.read_text().replace(f'"vocab_size": {TOKENS}', f'"vocab_size": {TOKENS + 1}'))
    with pytest.raises(WeightsError, match=r"3 changed rows .* do not make a word table of shape \(201, 24\)"):
        load_delta(tmp_path / "model", encoder / WEIGHTS)


def test_a_missing_weight_is_named(tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    save_delta(tmp_path / "model", _rounded(encoder), encoder / WEIGHTS)
    stored = load_file(tmp_path / "model" / DELTA)
    del stored["classifier.weight"]
    save_file(stored, tmp_path / "model" / DELTA)
    with pytest.raises(WeightsError, match=r"classifier\.weight is missing"):
        load_delta(tmp_path / "model", encoder / WEIGHTS)
