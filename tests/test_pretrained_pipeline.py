"""The pipeline with a pre-trained encoder, tiny: per-locale models are stored as changes, and serve as whole ones."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from dvc.repo import Repo
from pretrained import write_encoder
from safetensors.torch import load_file
from tiny import LOCALES, tiny_project
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from q2pt_tasks import cli
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.champion import Champion, champion_folder, hash_folder, why_not_comparable
from q2pt_tasks.model.checkpoint import load_checkpoint
from q2pt_tasks.model.materialise import materialise
from q2pt_tasks.model.metadata import CheckpointError, load_metadata
from q2pt_tasks.model.prediction import Predictor
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.registry.release import Release, ReleasedCheckpoint, Store
from q2pt_tasks.sources.resolve import resolve
from q2pt_tasks.stages import encoder, evaluate, tokenize, train_non_unified, train_unified

QUERIES = ["pants", "red shoes", "a coffee machine"]
FEW_EPOCHS = {
    f"{training}.pretrained.{key}": value
    for training in ("train_unified", "train_non_unified")
    for key, value in {"max_epochs": 1, "min_steps_per_epoch": 2}.items()
}


@pytest.fixture(scope="module")
def pretrained(finished: Layout, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The finished project's splits, and models of a pre-trained encoder that is gone by now."""
    root = tmp_path_factory.mktemp("pretrained")
    source = write_encoder(root / "hub/encoder")
    changes = {**FEW_EPOCHS, "encoder.name": str(source), "tokenize.max_unknown_share": 1.0}
    changes["train_non_unified.pretrained.objective"] = "softmax"
    layout = tiny_project(root, {**changes, "variants": ["unified_agnostic"]})
    shutil.copytree(finished.splits, layout.splits)
    layout.brands.parent.mkdir(parents=True)
    shutil.copyfile(finished.brands, layout.brands)
    shutil.copyfile(finished.window, layout.window)
    resolve(layout)
    encoder.main(layout)
    shutil.rmtree(root / "hub")
    tokenize.main(layout)
    train_unified.main(layout, "unified_agnostic")
    for locale in LOCALES:
        train_non_unified.main(layout, locale)
    return layout


def test_a_per_locale_model_is_its_changes_and_a_unified_one_is_whole(pretrained: Layout) -> None:
    own, unified = pretrained.non_unified_model("en-GB"), pretrained.unified_model("unified_agnostic")
    files = {"census.json", "config.json", "metadata.json", "tokenizer.json", "tokenizer_config.json"}
    for folder, weights_file in ((own, "delta.safetensors"), (unified, "model.safetensors")):
        beside = {"ngrams.safetensors"} if load_metadata(folder).ngrams else set()
        assert {path.name for path in folder.iterdir()} == {*files, *beside, weights_file}
    base = load_metadata(own).base
    assert base is not None
    weights = (pretrained.root / base.path).read_bytes()
    assert base.md5 == hashlib.md5(weights, usedforsecurity=False).hexdigest()
    assert load_metadata(unified).base is None


def test_only_rows_of_tokens_that_occur_in_training_are_stored(pretrained: Layout) -> None:
    for locale in LOCALES:
        tokens = pq.ParquetFile(pretrained.non_unified_tokens(locale) / "train.parquet").read()["token_ids"]
        occur = {token for query in tokens.to_pylist() for token in query}
        stored = set(load_file(pretrained.non_unified_model(locale) / "delta.safetensors")["words.ids"].tolist())
        assert stored
        assert stored <= occur


def test_evaluate_scores_them(pretrained: Layout) -> None:
    report = evaluate.main(pretrained)
    assert {"non_unified", "unified_agnostic"} <= set(report.micro_recall)


def test_a_materialised_model_opens_in_hugging_face_with_the_same_scores(pretrained: Layout, tmp_path: Path) -> None:
    own = Predictor.load(pretrained.non_unified_model("en-GB"))
    said = materialise(pretrained.non_unified_model("en-GB"), tmp_path / "plain")
    assert "non_unified of en-GB" in said
    assert not (tmp_path / "plain/delta.safetensors").exists()
    plain = Predictor.load(tmp_path / "plain")
    assert np.array_equal(own.scores(QUERIES, "en-GB"), plain.scores(QUERIES, "en-GB"))
    assert own.predict(QUERIES, "en-GB") == plain.predict(QUERIES, "en-GB")
    beside = [folder / "ngrams.safetensors" for folder in (pretrained.non_unified_model("en-GB"), tmp_path / "plain")]
    assert beside[0].read_bytes() == beside[1].read_bytes()
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path / "plain").eval()
    encoded = AutoTokenizer.from_pretrained(tmp_path / "plain")(["red shoes"], return_tensors="pt")
    assert network.config.problem_type == "single_label_classification"
    scores = network(**encoded).logits.softmax(-1).detach().numpy()
    np.testing.assert_allclose(
        scores[0], Predictor.load_encoder_alone(tmp_path / "plain").scores(["red shoes"], "en-GB")[0], atol=0.01
    )
    names = network.config.id2label
    assert tuple(names[index] for index in range(len(names))) == own.metadata.product_types


def test_the_command_materialises(
    pretrained: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(pretrained.root)
    command = ["materialise", "--model", "models/non_unified/fr-BE", "--output", str(tmp_path / "new/plain")]
    cli.main(command)
    assert f"{tmp_path}/new/plain: non_unified of fr-BE" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["plain"], "nothing unfinished stays"
    with pytest.raises(SystemExit):
        cli.main(command)
    assert "is there already: give a new directory" in capsys.readouterr().err


def test_a_model_alone_needs_its_encoder_and_takes_it_from_where_it_is_told(pretrained: Layout, tmp_path: Path) -> None:
    alone = shutil.copytree(pretrained.non_unified_model("en-US"), tmp_path / "alone")
    with pytest.raises(CheckpointError, match="holds only what training changed, and no folder above it has"):
        load_checkpoint(alone)
    told = Predictor.load(alone, pretrained.encoder)
    own = Predictor.load(pretrained.non_unified_model("en-US"))
    assert np.array_equal(told.scores(QUERIES, "en-US"), own.scores(QUERIES, "en-US"))


def test_another_encoder_under_a_model_is_refused(pretrained: Layout, tmp_path: Path) -> None:
    model = shutil.copytree(pretrained.non_unified_model("en-US"), tmp_path / "models/non_unified/en-US")
    write_encoder(tmp_path / "data/encoder", "distilbert")
    with pytest.raises(CheckpointError, match=r"from an encoder whose weights have the MD5 [0-9a-f]{32}, but"):
        load_checkpoint(model)


def test_a_damaged_file_of_changes_is_refused(pretrained: Layout, tmp_path: Path) -> None:
    model = shutil.copytree(pretrained.non_unified_model("en-US"), tmp_path / "model")
    (model / "delta.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model cannot be loaded: .*delta"):
        load_checkpoint(model, pretrained.encoder)


def test_the_same_seed_gives_the_same_changes(pretrained: Layout, tmp_path: Path) -> None:
    again = Layout(tmp_path)
    shutil.copytree(pretrained.root / "data", tmp_path / "data")
    shutil.copy(pretrained.params, again.params)
    train_non_unified.main(again, "fr-BE")
    files = [layout.non_unified_model("fr-BE") / "delta.safetensors" for layout in (pretrained, again)]
    assert files[0].read_bytes() == files[1].read_bytes()


def _project(folder: Path, cache: Path) -> Path:
    (folder / ".dvc").mkdir(parents=True)
    core = f"[core]\n    no_scm = true\n    site_cache_dir = {folder / '.site'}\n"
    (folder / ".dvc/config").write_text(f"[cache]\n    dir = {cache}\n{core}")
    return folder


def _champion(pretrained: Layout, folder: Path) -> Champion:
    """The per-locale models as a release names them, in a DVC cache."""
    project = _project(folder / "project", folder / "cache")

    def added(source: Path) -> str:
        shutil.rmtree(project / "out", ignore_errors=True)
        shutil.copytree(source, project / "out")
        with Repo(str(project)) as repo:
            (stage,) = repo.add(str(project / "out"))
        (project / "out.dvc").unlink()
        md5: str = stage.outs[0].hash_info.value
        return md5

    encoder = added(pretrained.encoder)
    checkpoints = [
        ReleasedCheckpoint(
            variant="non_unified",
            since="v3",
            model=added(pretrained.non_unified_model(locale)),
            encoder=encoder,
            hash=hash_folder(pretrained.non_unified_model(locale)),
            locales=(locale,),
            others=False,
        )
        for locale in LOCALES
    ]
    release = Release(
        version="v3",
        created="2026-11-30T02:00:00+00:00",
        run="monday",
        commit="c" * 40,
        by="Ada",
        why="better",
        variant="non_unified",
        last_day="2026-11-29",
        judged_against=None,
        figures={},
        checkpoints=tuple(checkpoints),
        store=Store(str(folder / "cache")),
    )
    return Champion("v3", release.hash, "build/champion", release.locales, release.last_day, release)


def test_a_champion_of_per_locale_models_comes_with_its_encoder(pretrained: Layout, tmp_path: Path) -> None:
    champion = _champion(pretrained, tmp_path)
    clone = _project(tmp_path / "clone", tmp_path / "cache")
    # By now the next night has another encoder.
    write_encoder(clone / "data/encoder", "distilbert")
    model_of = champion_folder(clone, champion)
    for locale in LOCALES:
        folder = model_of(locale)
        assert folder is not None
        ours = Predictor.load(pretrained.non_unified_model(locale))
        assert np.array_equal(Predictor.load(folder).scores(QUERIES, locale), ours.scores(QUERIES, locale))


def test_the_split_of_such_a_champion_is_that_of_its_models_alone(pretrained: Layout, tmp_path: Path) -> None:
    # An encoder may be a checkpoint of this pipeline, with metadata of its own.
    champion = _champion(pretrained, tmp_path)
    clone = _project(tmp_path / "clone", tmp_path / "cache")
    folder = champion_folder(clone, champion)("en-US")
    assert folder is not None
    (folder.parent / "data/encoder/metadata.json").write_text("{}")
    split = json.loads(pretrained.label_space(None).read_text())["split"]
    assert why_not_comparable(clone, champion, split) == []


def test_an_unknown_architecture_and_scratch_stay_whole(pretrained: Layout, tmp_path: Path) -> None:
    layout = tiny_project(tmp_path, {**FEW_EPOCHS, "encoder.name": str(write_encoder(tmp_path / "electra", "electra"))})
    edit_params(layout.params, {"tokenize.max_unknown_share": 1.0})
    shutil.copytree(pretrained.splits, layout.splits)
    resolve(layout)
    encoder.main(layout)
    tokenize.main(layout)
    train_non_unified.main(layout, "fr-BE")
    folder = layout.non_unified_model("fr-BE")
    assert (folder / "model.safetensors").is_file()
    assert load_metadata(folder).base is None
    assert load_checkpoint(folder).metadata.status in ("trained", "degenerate")
