"""An encoder that reads queries without labels, and the page that says whether it helped."""

from pathlib import Path

import torch
from pretrained import write_encoder
from transformers import AutoModel

from benchmarks.quality.masked_language import FirstLayers, Plan, read_queries
from benchmarks.quality.pretraining import AS_IT_CAME, READ_FURTHER, page, unlabelled_queries
from q2pt_tasks.data.splits import SplitRules
from q2pt_tasks.layout import Layout
from q2pt_tasks.params import read_section
from q2pt_tasks.stages.split import SplitParams
from q2pt_tasks.studies.objectives import CHOICE, RECALL, SMALL

PLAN = Plan(epochs=30, batch_size=4, learning_rate=1e-2, masked=0.3, seed=1)


def test_an_encoder_learns_to_fill_in_what_is_masked_and_is_an_encoder_again(tmp_path: Path) -> None:
    came = write_encoder(tmp_path / "came")
    losses = read_queries(FirstLayers(came, 1), ["red shoes", "blue shoes", "red hat"] * 4, PLAN, tmp_path / "read")
    assert losses[-1] < losses[0] / 2
    before, after = (AutoModel.from_pretrained(folder) for folder in (came, tmp_path / "read"))
    assert after.config.num_hidden_layers == 1
    assert not torch.equal(before.embeddings.word_embeddings.weight, after.embeddings.word_embeddings.weight)
    assert (tmp_path / "read/tokenizer.json").read_bytes() == (came / "tokenizer.json").read_bytes()


def test_only_queries_of_the_training_side_are_read(finished: Layout) -> None:
    queries = unlabelled_queries(finished)
    rules: SplitRules = read_section(finished.params, "split", SplitParams).rules()
    assert len(queries) > 100
    assert {rules.side(query) for query in queries} == {"train"}


def test_the_page_says_in_how_many_seeds_it_helped() -> None:
    def figures(*choices: float) -> list[dict[str, float]]:
        return [{CHOICE: choice, "validation recall": 0.5, RECALL: 0.4, SMALL: 0.3} for choice in choices]

    text = page({AS_IT_CAME: figures(0.5, 0.6), READ_FURTHER: figures(0.7, 0.5)}, 1234, [9.0, 3.5])
    assert "1,234 queries" in text
    assert "was 9.00 in the first epoch, 3.50 in the last" in text
    assert f"| {READ_FURTHER} | 0.600 [0.500 .. 0.700] | 0.500 |" in text
    assert "+0.050 on the mean, and higher with the same seed in 1 of 2 seeds" in text
