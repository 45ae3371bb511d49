"""The training loop does what a plain loop does: pieces of a batch, a trimmed vocabulary, dropout of locales."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from q2pt_tasks.model.batching import packed_tokens, shares_of
from q2pt_tasks.model.build import build_network
from q2pt_tasks.model.encoder import EncoderParams, ScratchParams
from q2pt_tasks.model.examples import Examples, FloatMatrix, Int64Array, Packed
from q2pt_tasks.model.families import Shape, scratch_config
from q2pt_tasks.model.locale_dropout import LocaleTokens
from q2pt_tasks.model.network import Network, start_from_bias
from q2pt_tasks.model.objectives import OBJECTIVES
from q2pt_tasks.model.packed_network import PackedNetwork
from q2pt_tasks.model.precision import Hardware, detect_hardware
from q2pt_tasks.model.recipe import ObjectiveName, Recipe
from q2pt_tasks.model.resume import Resume
from q2pt_tasks.model.tokenizer import EncoderNotFoundError, save_pretrained_tokenizer, train_tokenizer
from q2pt_tasks.model.training import Trainer, TrainingDivergedError
from q2pt_tasks.model.training_state import TrainingState, best_epoch
from q2pt_tasks.model.validation import Validation
from q2pt_tasks.model.vocabulary import OccurringTokens, restore_words, trim_words

FLOAT32 = Hardware(torch.device("cpu"), torch.float32, "a test")
BFLOAT16 = Hardware(torch.device("cpu"), torch.bfloat16, "a test")
NAMES = ("A", "B", "C")
TYPES = len(NAMES)
VOCABULARY = 50
RECIPE = Recipe(
    objective="binary_cross_entropy",
    prior_bias=True,
    learning_rates=(1e-2,),
    head_factor=1,
    dropout=0.0,
    batch_size=8,
    micro_tokens=40,
    min_steps_per_epoch=1,
    warmup_share=0.0,
    max_epochs=2,
    patience=2,
    ngrams=None,
)


def _network() -> Network:
    torch.manual_seed(0)
    shape = Shape(
        family="distilbert",
        tokens=VOCABULARY,
        layers=2,
        width=16,
        heads=2,
        hidden=32,
        positions=40,
        first_position=0,
        segments=0,
        pad_token=0,
        activation="gelu",
        norm_epsilon=1e-12,
        dropout=0.0,
        attention_dropout=0.0,
        head_dropout=0.0,
    )
    return PackedNetwork.drawn(scratch_config(shape, tuple("ABC")))


def _examples(rows: int = 24, seed: int = 0) -> Examples:
    """Queries of different length whose second token decides the type; one is long, one has no type."""
    generator = np.random.default_rng(seed)
    types = generator.integers(0, TYPES, rows)
    lengths = np.append(generator.integers(1, 4, rows - 1), 30)
    tokens = [
        [1, 10 + kind, *generator.integers(20, 30, length), 2] for kind, length in zip(types, lengths, strict=True)
    ]
    labels = [[int(kind)] for kind in types]
    labels[3], labels[5], shares = [], [0, 2], np.ones(rows, dtype=np.float32)
    shares[4:6] = 0.3, 0.7
    return Examples(Packed.pack(tokens), Packed.pack(labels), shares, np.zeros(rows, dtype=np.int64))


def _labelled(tokens: list[list[int]], locales: Int64Array) -> Examples:
    labels = Packed.pack([[0]] * len(tokens))
    return Examples(Packed.pack(tokens), labels, np.ones(len(tokens), dtype=np.float32), locales)


def _trainer(examples: Examples, recipe: Recipe = RECIPE) -> Trainer:
    return Trainer(
        occurring=OccurringTokens.of(examples.tokens.values, np.array([0])),
        train=examples,
        validation=Validation(_examples(seed=1), ("en-US",), NAMES),
        locale_tokens=LocaleTokens.none(),
        locale_temperature=1.0,
        recipe=recipe,
        hardware=FLOAT32,
        seed=5,
    )


def _recipe(objective: ObjectiveName, **changes: object) -> Recipe:
    return RECIPE.model_copy(update={"objective": objective, **changes})


every_objective = pytest.mark.parametrize("objective", list(OBJECTIVES))


def _gradients(network: Network) -> list[torch.Tensor]:
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


@every_objective
def test_gradients_of_a_batch_in_pieces_are_those_of_the_whole_batch(objective: ObjectiveName) -> None:
    # A row may be drawn twice.
    examples, rows = _examples(), np.append(np.arange(20), [5, 5])
    in_pieces, plain = _network(), _network()
    trainer = _trainer(examples, _recipe(objective))
    pieces = list(trainer._pieces(examples, rows))
    assert len(pieces) > 1
    total = sum(trainer._add_gradients(in_pieces, examples, piece, len(rows)) for piece in pieces)
    logits = plain(packed_tokens(examples.tokens.select(rows)))
    loss = OBJECTIVES[objective].loss(logits, shares_of(examples, rows, TYPES))
    assert total == pytest.approx(loss.item(), rel=1e-5)
    (loss / len(rows)).backward()
    for ours, theirs in zip(_gradients(in_pieces), _gradients(plain), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def _trimmed(validation: Validation, occurring: OccurringTokens) -> Validation:
    examples = validation.examples
    return replace(validation, examples=replace(examples, tokens=occurring.trimmed(examples.tokens)))


def test_training_only_the_tokens_that_occur_gives_the_same_model() -> None:
    examples = _examples()
    whole, trimmed = _network(), _network()
    _trainer(examples).fit(whole, 1e-2, Resume.never())
    trainer = _trainer(examples)
    full_table = trim_words(trimmed, trainer.occurring)
    trainer = replace(
        trainer,
        train=replace(examples, tokens=trainer.occurring.trimmed(examples.tokens)),
        validation=_trimmed(trainer.validation, trainer.occurring),
    )
    trainer.fit(trimmed, 1e-2, Resume.never())
    restore_words(trimmed, trainer.occurring, full_table)
    for (name, ours), (_, theirs) in zip(trimmed.named_parameters(), whole.named_parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5, msg=name)


def test_training_twice_gives_equal_weights_and_another_seed_gives_others() -> None:
    first, second, other = _network(), _network(), _network()
    _trainer(_examples()).fit(first, 1e-2, Resume.never())
    _trainer(_examples()).fit(second, 1e-2, Resume.never())
    replace(_trainer(_examples()), seed=6).fit(other, 1e-2, Resume.never())
    weights = [torch.cat([p.flatten() for p in network.parameters()]) for network in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@every_objective
def test_a_separable_signal_is_learnt_and_the_best_epoch_is_kept(objective: ObjectiveName) -> None:
    recipe = _recipe(objective, max_epochs=15, patience=15)
    network = _network()
    trainer = _trainer(_examples(120), recipe)
    epochs = trainer.fit(network, 5e-3, Resume.never())
    assert best_epoch(epochs).average_precision > 0.9
    assert trainer._average_precision(network) == pytest.approx(best_epoch(epochs).average_precision)


def _scores(trainer: Trainer, network: Network) -> FloatMatrix:
    return np.concatenate([block.scores for block in trainer.scored(trainer.validation_logits(network))])


@every_objective
def test_in_low_precision_what_is_learnt_is_what_is_computed_with(objective: ObjectiveName) -> None:
    recipe = _recipe(objective, max_epochs=25, patience=25)
    network = _network()
    trainer = replace(_trainer(_examples(120), recipe), hardware=BFLOAT16)
    epochs = trainer.fit(network, 3e-3, Resume.never())
    assert best_epoch(epochs).average_precision > 0.9
    in_fp32 = _scores(replace(trainer, hardware=FLOAT32), network)
    np.testing.assert_allclose(_scores(trainer, network), in_fp32, atol=0.05)


@every_objective
def test_in_low_precision_gradients_are_those_of_fp32_but_for_rounding(objective: ObjectiveName) -> None:
    examples, rows = _examples(), np.arange(20)
    low, full = _network(), _network()
    for network, hardware in ((low, BFLOAT16), (full, FLOAT32)):
        trainer = replace(_trainer(examples, _recipe(objective)), hardware=hardware)
        with hardware.autocast():
            for piece in trainer._pieces(examples, rows):
                trainer._add_gradients(network, examples, piece, len(rows))
    for ours, theirs in zip(_gradients(low), _gradients(full), strict=True):
        assert (ours - theirs).norm() < 0.05 * theirs.norm() + 1e-4


def test_training_stops_when_validation_does_not_improve() -> None:
    recipe = RECIPE.model_copy(update={"max_epochs": 50, "patience": 3})
    epochs = _trainer(_examples(120), recipe).fit(_network(), 1e-2, Resume.never())
    assert len(epochs) == min(50, best_epoch(epochs).number + 3)


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    network = _network()
    with torch.no_grad():
        network.head.bias.fill_(float("nan"))
    with pytest.raises(TrainingDivergedError, match=r"the loss is nan .* lower the learning rate"):
        _trainer(_examples()).fit(network, 1e-2, Resume.never())


def test_locale_dropout_replaces_about_its_share_and_changes_every_epoch() -> None:
    examples = _labelled([[1, 5, 2]] * 1000, np.tile([0, 1], 500))
    tokens = LocaleTokens(np.array([7, 8]), unknown=9, dropout=0.2)
    generator = np.random.default_rng(0)
    first, second = (tokens.put_before(examples, generator).tokens.values.reshape(-1, 4) for _ in range(2))
    assert first[:, 1].tolist() != second[:, 1].tolist()
    assert (first[:, 1] == 9).mean() == pytest.approx(0.2, abs=0.05)
    kept = first[:, 1] != 9
    assert (first[kept, 1] == np.where(examples.locales == 0, 7, 8)[kept]).all()
    assert set(tokens.put_before_all(examples).tokens.values.reshape(-1, 4)[:, 1]) == {7, 8}


@every_objective
def test_the_untrained_network_gives_each_type_its_share(objective: ObjectiveName) -> None:
    network, priors = _network(), torch.tensor([0.6, 0.3, 0.1])
    start_from_bias(network, OBJECTIVES[objective].logits(priors))
    scores = OBJECTIVES[objective].probabilities(network(packed_tokens(_examples().tokens.select(np.arange(5)))))
    torch.testing.assert_close(scores, priors.expand(5, 3), atol=0.08, rtol=0)


def test_an_epoch_is_of_the_rows_that_are_drawn() -> None:
    """Of two locales, one nine times as large, each has half of the steps; the loss is that of the drawn rows."""
    locales = np.repeat([0, 1], [90, 10])
    examples = _labelled([[1, 10 + int(locale), 2] for locale in locales], locales)
    seen: list[Int64Array] = []

    class Watched(Trainer):
        def _step(self, state: TrainingState, examples: Examples, rows: Int64Array, resume: Resume) -> None:
            seen.append(examples.locales[rows])
            super()._step(state, examples, rows, resume)

    trainer = _trainer(examples, _recipe("softmax", max_epochs=1))
    (epoch,) = Watched(**{**vars(trainer), "locale_temperature": 100.0}).fit(_network(), 1e-2, Resume.never())
    parts = np.bincount(np.concatenate(seen))
    assert parts.sum() == 100
    assert abs(parts[0] - parts[1]) <= 4
    assert epoch.loss > 0


def test_the_layers_above_the_encoder_are_told_from_it() -> None:
    network = _network()
    new = {
        name for name, parameter in network.named_parameters() if any(parameter is p for p in network.new_parameters())
    }
    assert new == {"pre.weight", "pre.bias", "scores.weight", "scores.bias"}


def test_the_precision_is_chosen_by_the_hardware_and_said() -> None:
    hardware = detect_hardware()
    assert hardware.dtype in (torch.float32, torch.bfloat16)
    assert str(hardware.device) in str(hardware)
    assert hardware.reason in str(hardware)


@pytest.mark.parametrize(
    ("tiles", "instructions", "dtype"),
    [
        (True, True, torch.bfloat16),
        (True, False, torch.bfloat16),
        (False, True, torch.bfloat16),
        (False, False, torch.float32),
    ],
)
def test_a_cpu_computes_in_bf16_where_it_has_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, tiles: bool, instructions: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    assert detect_hardware().dtype is dtype


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; none is here")
def test_training_on_a_gpu_learns_the_same_signal() -> None:
    recipe = RECIPE.model_copy(update={"max_epochs": 15, "patience": 15})
    epochs = replace(_trainer(_examples(120), recipe), hardware=detect_hardware()).fit(_network(), 1e-2, Resume.never())
    assert best_epoch(epochs).average_precision > 0.9


SIZES = ScratchParams(layers=1, width=16, heads=2, unified_vocabulary=120, non_unified_vocabulary=120)


def test_an_encoder_that_does_not_exist_is_named_with_what_to_do(tmp_path: Path) -> None:
    encoder = EncoderParams(name="owner/encoder", revision="main", max_tokens=8, scratch=SIZES)
    with pytest.raises(EncoderNotFoundError, match=r"the encoder in .*missing cannot be loaded: .* Give 'scratch'"):
        save_pretrained_tokenizer(tmp_path / "missing", tmp_path)
    tokenizer = train_tokenizer(["a", "b"], 120)
    with pytest.raises(EncoderNotFoundError, match="missing"):
        build_network(encoder, tmp_path / "missing", tokenizer, ["A"], 0.0)


def test_a_trained_tokenizer_is_the_same_every_time_and_needs_no_spaces() -> None:
    queries = ["赤い靴", "青い靴", "red shoes", "blue shoes", "shoe rack"] * 3
    first, second = (train_tokenizer(queries, 120) for _ in range(2))
    assert first.pieces.to_str() == second.pieces.to_str()
    assert first.unknown_token not in first.encode(["赤い靴"], 8)[0]
    assert first.encode(["red shoes"], 8)[0][0] == first.id_of("[CLS]")
