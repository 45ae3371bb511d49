from pathlib import Path

import pytest

from q2pt_tasks.check_params import SECTIONS, check_params
from q2pt_tasks.data.schema import Locales
from q2pt_tasks.layout import Layout
from q2pt_tasks.model.variants import Variants
from q2pt_tasks.params import OTHER_SECTIONS, SHARED_SECTIONS, STAGE_SECTIONS, ParamsError, Seed, read_section
from q2pt_tasks.params_edit import edit_params
from q2pt_tasks.stages.gate import GateParams
from q2pt_tasks.stages.train_unified import TrainUnifiedParams

PARAMS = Path("params.yaml")


def test_every_section_of_the_file_is_read_by_its_class() -> None:
    assert set(SECTIONS) == set(SHARED_SECTIONS) | set(STAGE_SECTIONS) | set(OTHER_SECTIONS)
    check_params(Layout())


def test_every_key_of_the_file_has_a_comment_once() -> None:
    explained: set[str] = set()
    previous = ""
    for line in PARAMS.read_text().splitlines():
        key = line.split(":")[0].strip()
        is_key = ":" in line and not line.strip().startswith(("#", "-"))
        if is_key and previous.strip().startswith("#"):
            explained.add(key)
        # A section's own explanation is that of its keys; a store's size needs none, nor a key explained further up.
        if is_key and not line.rstrip().endswith(":") and not key[:1].isupper() and "-" not in key:
            assert key in explained, f"{key} has no comment above it, nowhere in the file"
        previous = line


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("gate.floor", "high", ["'gate.floor'", "'high'", "text", "valid number"]),
        ("gate.floor", 1.5, ["'gate.floor'", "1.5", "less than or equal to 1"]),
        ("gate.metric", "accuracy", ["'gate.metric'", "'accuracy'", "micro_recall", "macro_recall"]),
        ("gate.min_locale_support", 2.5, ["'gate.min_locale_support'", "2.5", "integer"]),
        ("gate.min_locale_support", True, ["'gate.min_locale_support'", "True", "integer"]),
        ("gate.floor", None, ["'gate.floor'", "None", "empty"]),
    ],
)
def test_a_wrong_value_is_refused_with_key_value_and_what_is_allowed(
    tmp_path: Path, key: str, value: object, words: list[str]
) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(PARAMS.read_text())
    edit_params(file, {key: value})
    with pytest.raises(ParamsError) as refused:
        read_section(file, "gate", GateParams)
    for word in words:
        assert word in str(refused.value)


def test_scientific_notation_is_a_number_and_its_quoted_form_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    text = PARAMS.read_text()
    file.write_text(text.replace("learning_rates: [8.0e-5]", "learning_rates: [8e-5]"))
    recipe = read_section(file, "train_unified", TrainUnifiedParams).pretrained
    assert recipe.learning_rates == (8e-5,)
    file.write_text(text.replace("learning_rates: [8.0e-5]", 'learning_rates: ["8e-5"]'))
    with pytest.raises(ParamsError, match=r"'train_unified.pretrained.learning_rates.0' is '8e-5' \(text\)"):
        read_section(file, "train_unified", TrainUnifiedParams)


def test_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(PARAMS.read_text().replace("  floor: 0.3", "  flor: 0.3"))
    with pytest.raises(ParamsError, match=r"unknown key 'gate.flor' .*spelling") as refused:
        read_section(file, "gate", GateParams)
    assert "the key 'gate.floor' is missing" in str(refused.value)


def test_an_unknown_section_is_refused_by_every_reader(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(PARAMS.read_text() + "\ngatee: {}\n")
    with pytest.raises(ParamsError, match="unknown section gatee; allowed are"):
        read_section(file, "seed", int)


@pytest.mark.parametrize(
    ("text", "words"),
    [("- 1\n", "expected sections"), ("a: [\n", "not readable YAML"), ("seed: 1\nseed: 2\n", "duplicate key")],
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(ParamsError, match=words):
        read_section(file, "seed", int)


def test_a_missing_file_says_where_to_run_from(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="run from the root"):
        read_section(tmp_path / "params.yaml", "seed", int)


def test_a_locale_cannot_leave_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(PARAMS.read_text().replace("  - cs-CZ", "  - ../../etc"))
    with pytest.raises(ParamsError, match=r"'locales.19' is '../../etc'"):
        read_section(file, "locales", Locales)


def test_an_edit_keeps_comments_and_refuses_keys_that_do_not_exist(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(PARAMS.read_text())
    edit_params(file, {"gate.floor": 0.45})
    changed = zip(PARAMS.read_text().splitlines(), file.read_text().splitlines(), strict=True)
    assert [(old, new) for old, new in changed if old != new] == [("  floor: 0.3", "  floor: 0.45")]
    with pytest.raises(ParamsError, match=r"no key 'gate.flor'"):
        edit_params(file, {"gate.flor": 1})


@pytest.mark.parametrize("value", ["thirteen", True, 1.5, -1])
def test_a_seed_is_a_whole_number_from_zero_on(tmp_path: Path, value: object) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(PARAMS.read_text())
    edit_params(file, {"seed": value})
    with pytest.raises(ParamsError, match="'seed' is"):
        read_section(file, "seed", Seed)


def test_a_misspelt_variant_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(PARAMS.read_text())
    edit_params(file, {"variants": ["unified_awre"]})
    with pytest.raises(ParamsError, match=r"'variants.0' is 'unified_awre' .*unified_aware"):
        read_section(file, "variants", Variants)


_TENFOLD = "".join(
    f", {name}: &{name} [{','.join([f'*{before}'] * 10)}]" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: &a [*a]", "more than 100,000 values"),
        ("seed: &a {b: *a}", "more than 100,000 values"),
        (f"seed: {{a: &a [{','.join('1' * 10)}]{_TENFOLD}}}", "more than 100,000 values"),
        (f"seed: {'[' * 5_000}", "is not readable YAML"),
        (f"seed: {'{a: ' * 3_000}1{'}' * 3_000}", "is not readable YAML"),
        (f"seed: {'9' * 5_000}", "is not readable YAML"),
        (f"seed: 0x{'f' * 5_000}", "holds what params cannot be"),
        ("seed: {? [a, b] : c}", "holds what params cannot be"),
        ("seed: {2026-01-01: 1}", "holds what params cannot be"),
        ("seed: !!python/object/apply:os.system [id]", "is not readable YAML"),
        ('seed: "\\0"', "valid integer"),
        ("seed: 1\nseed: 2", "is not readable YAML"),
    ],
)
def test_what_yaml_can_do_to_a_reader_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(ParamsError, match=words):
        read_section(file, "seed", Seed)
