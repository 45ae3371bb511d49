import json
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sections import DATABASE, ENCODER, EVALUATE, LAKE

from q2pt_tasks.layout import Layout
from q2pt_tasks.sources.manifest import SourceError, read_manifest
from q2pt_tasks.sources.resolve import resolve

HEADER = "event_date,locale,query,product_id,impressions,clicks,carts,purchases\n"
TODAY = date(2026, 7, 1)
PARAMS: dict[str, Any] = {
    "locales": ["en-GB", "de-DE"],
    "encoder": ENCODER,
    "ingest": {
        "source": "events",
        "window_days": 30,
        "last_day": None,
        "synthetic": {"seed": 1, "last_day": "2026-06-15"},
        "google_taxonomy": {"path": "taxonomy", "level": 2, "clicks": 20, "noise": 0.05, "seed": 1},
        "events": {"path": "log", "catalog": "catalog.csv"},
        "database": DATABASE,
        "lake": LAKE,
    },
    "evaluate": EVALUATE,
    "privacy": {},
}
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "log").mkdir()
    for day in ("2026-06-28", "2026-06-30", "2026-07-01", "2026-07-02", "2999-01-01"):
        (tmp_path / f"log/{day}.csv").write_text(f"{HEADER}{day},en-GB,shoes,p1,9,3,1,0\n")
    (tmp_path / "catalog.csv").write_text("product_id,locale,product_type\np1,en-GB,SHOES\n")
    return Layout(tmp_path)


def resolve_with(layout: Layout, change: Change, today: date = TODAY) -> str:
    params = deepcopy(PARAMS)
    change(params)
    layout.params.write_text(json.dumps(params))
    return resolve(layout, today)


def unchanged(params: dict[str, Any]) -> None:
    pass


def set_ingest(**values: object) -> Change:
    return lambda params: params["ingest"].update(values)


def set_encoder(name: str) -> Change:
    return lambda params: params["encoder"].update(name=name)


def encoder_of(layout: Layout) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(layout.encoder_manifest.read_text())
    return content


def test_a_log_ends_with_its_newest_day_that_is_over(layout: Layout) -> None:
    sentence = resolve_with(layout, unchanged)
    manifest = read_manifest(layout.source_manifest)
    assert manifest.last_day == date(2026, 6, 30)
    assert [file.path for file in manifest.files][:2] == ["catalog.csv", "log/2026-06-28.csv"]
    assert len(manifest.files) == 6
    assert sentence == (
        "Source events, 6 files of 0.0 MiB; the window's last day is 2026-06-30, 1 day before today. "
        "Encoder scratch, 0 local files. No judgements."
    )


def test_judgements_are_resolved_with_the_rest(layout: Layout) -> None:
    (layout.root / "human.csv").write_text("locale,query,product_types\nen-GB,shoes,SHOES\n")
    sentence = resolve_with(layout, lambda params: params["evaluate"].update(judgements="human.csv"))
    assert sentence.endswith("Judgements human.csv, 45 bytes.")
    assert json.loads(layout.judgements_manifest.read_text())["file"]["path"] == "human.csv"


def test_a_day_that_was_asked_for_is_the_last_unless_it_is_still_to_come(layout: Layout) -> None:
    resolve_with(layout, set_ingest(last_day="2026-06-28"))
    assert read_manifest(layout.source_manifest).last_day == date(2026, 6, 28)
    resolve_with(layout, set_ingest(last_day="2026-07-01"))
    assert read_manifest(layout.source_manifest).last_day == TODAY
    with pytest.raises(SourceError, match=r"ingest.last_day is 2026-07-02, after today, 2026-07-01: give a day that"):
        resolve_with(layout, set_ingest(last_day="2026-07-02"))


def test_a_log_without_a_day_that_is_over_is_refused(layout: Layout) -> None:
    with pytest.raises(SourceError, match=r"log \(5 files\) holds no event dated before today, 2020-01-01: check the"):
        resolve_with(layout, unchanged, today=date(2020, 1, 1))


def test_the_manifests_stay_the_same_until_the_world_changes(layout: Layout) -> None:
    resolve_with(layout, unchanged)
    first = layout.source_manifest.read_bytes(), layout.encoder_manifest.read_bytes()
    resolve_with(layout, unchanged, today=date(2026, 7, 1))
    assert (layout.source_manifest.read_bytes(), layout.encoder_manifest.read_bytes()) == first
    late = layout.root / "log/2026-06-28.csv"
    late.write_text(late.read_text() + "2026-06-28,en-GB,late shoes,p1,9,3,1,0\n")
    resolve_with(layout, unchanged)
    assert layout.source_manifest.read_bytes() != first[0]
    assert layout.encoder_manifest.read_bytes() == first[1]


def test_paths_may_be_absolute(layout: Layout) -> None:
    places = {"path": str(layout.root / "log"), "catalog": str(layout.root / "catalog.csv")}
    resolve_with(layout, set_ingest(events=places))
    assert read_manifest(layout.source_manifest).files[0].path == str(layout.root / "catalog.csv")


def test_the_synthetic_source_has_its_own_last_day_and_no_files(layout: Layout) -> None:
    resolve_with(layout, set_ingest(source="synthetic"))
    manifest = read_manifest(layout.source_manifest)
    assert (manifest.source, manifest.last_day, manifest.files) == ("synthetic", date(2026, 6, 15), ())


def test_the_taxonomy_has_a_file_per_locale_and_the_reference(layout: Layout) -> None:
    (layout.root / "taxonomy").mkdir()
    for locale in ("en-GB", "de-DE", "en-US", "fr-FR"):
        (layout.root / f"taxonomy/taxonomy-with-ids.{locale}.txt").write_text("# Google_Product_Taxonomy_Version: 1\n")
    resolve_with(layout, set_ingest(source="google_taxonomy"))
    manifest = read_manifest(layout.source_manifest)
    assert manifest.last_day == date(2026, 6, 30)
    assert [file.path for file in manifest.files] == [
        f"taxonomy/taxonomy-with-ids.{locale}.txt" for locale in ("de-DE", "en-GB", "en-US")
    ]


def test_the_scratch_encoder_has_neither_files_nor_commit(layout: Layout) -> None:
    resolve_with(layout, set_encoder("scratch"))
    assert encoder_of(layout) == {"name": "scratch", "revision": "main", "commit": None, "files": []}


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def keep_on_disk(cache: Path, name: str) -> None:
    """Lays a model where Hugging Face's hub client keeps what it has fetched."""
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    (folder / "snapshots" / COMMIT / "config.json").write_text("{}")
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text(COMMIT)


def test_a_model_of_the_hub_is_pinned_to_its_commit(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_on_disk(tmp_path / "hub", "owner/encoder")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    said = resolve_with(layout, set_encoder("owner/encoder"))
    assert encoder_of(layout) == {"name": "owner/encoder", "revision": "main", "commit": COMMIT, "files": []}
    assert f"commit {COMMIT[:12]}" in said


def test_a_model_that_the_hub_cannot_give_is_refused(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(SourceError, match=r"encoder.name 'owner/none' .* cannot be had .* Give 'scratch'"):
        resolve_with(layout, set_encoder("owner/none"))


@pytest.mark.parametrize("name", ["models/mine", "./models/mine", "ABSOLUTE"])
def test_an_encoder_in_a_folder_is_described_file_by_file(layout: Layout, name: str) -> None:
    folder = layout.root / "models/mine"
    (folder / ".cache").mkdir(parents=True)
    (folder / "onnx").mkdir()
    for file in ("model.safetensors", "config.json", "onnx/model.onnx", ".cache/lock"):
        (folder / file).write_text(file)
    resolve_with(layout, set_encoder(name.replace("ABSOLUTE", str(folder))))
    files = encoder_of(layout)["files"]
    assert [file["path"] for file in files] == ["config.json", "model.safetensors", "onnx/model.onnx"]
    assert files[0]["size"] == len("config.json")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("./gone", "encoder.name is the path './gone', but {root}/gone is nothing: give the folder of a model"),
        ("/gone/model", "encoder.name is the path '/gone/model', but /gone/model is nothing"),
        ("~/gone-model", "encoder.name is the path '~/gone-model', but"),
        ("./catalog.csv", "but {root}/catalog.csv is a file: give the folder of a model, the name of a model on"),
        ("log", "{root}/log holds no config.json, so it is no encoder"),
        ("data/encoder", "in which the stage encoder puts its copy"),
        ("./data/../data/encoder/mine", "in which the stage encoder puts its copy"),
    ],
)
def test_an_encoder_that_is_not_where_it_is_said_to_be_is_refused(layout: Layout, name: str, said: str) -> None:
    with pytest.raises(SourceError) as error:
        resolve_with(layout, set_encoder(name))
    assert said.format(root=layout.root) in str(error.value)
