from pathlib import Path

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.encoder import EncoderParams
from q2pt_tasks.params import read_section
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.studies.head import DEFAULT, HEADS, measure, page, runs
from q2pt_tasks.studies.measuring import METRICS, RECALL
from q2pt_tasks.studies.study import Figures, Options, Run


def test_every_head_is_one_that_the_params_know(tmp_path: Path) -> None:
    for run in runs(Options(seeds=(1,))):
        file = tmp_path / "params.yaml"
        file.write_text(Path("params.yaml").read_text())
        edit_params(file, run.changes)
        head = read_section(file, "encoder", EncoderParams).head
        assert (None if head is None else head.model_dump()) == HEADS[run.name.removesuffix(" seed 1")]


def test_a_head_is_compared_with_the_usual_one_seed_by_seed() -> None:
    results: dict[str, Figures] = {
        f"{name} seed {seed}": {
            "level": name,
            **dict.fromkeys(METRICS, (0.5 if name == DEFAULT else 0.52) + seed / 100),
        }
        for name in HEADS
        for seed in (1, 2)
    }
    told = page(results)
    assert told.conclusion[0] == "1 layer: average precision 0.515; its seeds differ by 0.010."
    assert told.conclusion[1] == "no layer: average precision 0.535 (+0.020, +0.020 by seed against 1 layer)."
    assert len(told.conclusion) == len(HEADS)


def test_a_run_is_measured_over_all_stores(finished: Layout) -> None:
    found = measure(Run("1 layer seed 1", {}), finished)
    assert found["level"] == "1 layer"
    assert found[RECALL] > 0
