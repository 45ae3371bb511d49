"""The evaluation of the story's nights: figures as `night.json` gives them, facts of the models that are there.

Its `gains` are differences from the champion's recall, overall as `all` and by store; its `positives` count what
shoppers ask for, by product type.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from q2pt_tasks.layout import Layout
from q2pt_tasks.model.champion import Champion, champion_folder, read_champion
from q2pt_tasks.model.metadata import load_metadata

VARIANT, RECALL, STANDARD_ERROR = "unified_aware", 0.6, 0.002
_SOUND = {"variant": VARIANT, "bytes": 1, "expected_error": 0.03, "parity": None}


def main() -> None:
    layout, night = Layout(), json.loads(Path("night.json").read_text(encoding="utf-8"))
    champion = read_champion(layout.champion)
    layout.metrics.mkdir(exist_ok=True)
    layout.summary.write_text(json.dumps(_summary(night["gains"], champion)))
    layout.comparison.write_text(json.dumps(_comparison(layout, night, champion)))


def _summary(gains: Mapping[str, float], champion: Champion | None) -> dict[str, Any]:
    splits = [(where, "test") for where in gains] + [("all", "validation"), ("all", "forward")]
    rows = [
        {"variant": VARIANT, "locale": where, "split": split, "metric": "micro_recall", "value": RECALL, "n": 500}
        for where, split in splits
    ]
    precise = {"locale": "all", "split": "test", "metric": "micro_precision", "value": 0.8}
    return {
        "precision": 0.8,
        "headline": {VARIANT: {"micro_recall": RECALL, "macro_recall": None}},
        "rows": [*rows, {**rows[0], **precise}],
        "models": [{"variant": VARIANT, "locale": None, "status": "trained", "reason": ""}],
        "champion": None if champion is None else {"version": champion.version, "hash": champion.hash},
    }


def _comparison(layout: Layout, night: Mapping[str, Any], champion: Champion | None) -> dict[str, Any]:
    splits = [(where, "test") for where in night["gains"]] + [("all", "forward")]
    compared = [] if champion is None else [_difference(where, split, night["gains"][where]) for where, split in splits]
    return {
        "last_day": json.loads(layout.window.read_text(encoding="utf-8"))["last_day"],
        "champion": None if champion is None else _champion(champion),
        "variants": [{**_changes(night, champion), **_SOUND}],
        "differences": compared,
        "drift": [],
    }


def _champion(champion: Champion) -> dict[str, Any]:
    return {"last_day": champion.last_day, "incomparable": [], "expected_error": 0.03, "shipped": None}


def _difference(where: str, split: str, gain: float) -> dict[str, Any]:
    return {
        "variant": VARIANT,
        "split": split,
        "locale": where,
        "metric": "micro_recall",
        "own": RECALL,
        "champion": RECALL - gain,
        "n": 500,
        "value": gain,
        "low": gain - 2 * STANDARD_ERROR,
        "high": gain + 2 * STANDARD_ERROR,
        "standard_error": STANDARD_ERROR,
    }


def _changes(night: Mapping[str, Any], champion: Champion | None) -> dict[str, Any]:
    """What night and champion know, read from their checkpoints as they would be served."""
    if champion is None:
        return {"identical": False, "added_types": [], "lost_types": [], "added_locales": [], "lost_locales": []}
    own, theirs = load_metadata(Layout().models / VARIANT), _types_of(champion)
    return {
        "identical": False,
        "added_types": _supported(night, set(own.product_types) - theirs),
        "lost_types": _supported(night, theirs - set(own.product_types)),
        "added_locales": sorted(set(own.locales) - set(champion.locales)),
        "lost_locales": sorted(set(champion.locales) - set(own.locales)),
    }


def _types_of(champion: Champion) -> set[str]:
    folder_of = champion_folder(Path(), champion)
    folders = {folder for locale in champion.locales if (folder := folder_of(locale)) is not None}
    return {name for folder in folders for name in load_metadata(folder).product_types}


def _supported(night: Mapping[str, Any], names: set[str]) -> list[dict[str, Any]]:
    return [{"product_type": name, "positives": night["positives"][name]} for name in sorted(names)]


if __name__ == "__main__":
    main()
