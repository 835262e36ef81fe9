from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

import catalogue
from engine.benchmark import Benchmark
from engine.training.model_card import CardFacts, may_replace, render

BEST = {
    "epoch": 2,
    "val_miou": 0.512345,
    "val_mean_dice": 0.6,
    "val_mean_pixel_accuracy": 0.7,
    "val_pixel_accuracy": 0.8,
    "val_iou": [0.75, None],
    "train_iou": [0.5, 0.25],
    "train_miou": 0.375,
}
BENCHMARK = cast(
    "Benchmark",
    SimpleNamespace(name="pets", classes=SimpleNamespace(names=("cat", "dog")), terms="Pets belong to themselves."),
)
FACTS = CardFacts(
    "first",
    BENCHMARK,
    [{"epoch": 1}, BEST],
    BEST,
    {"network": "fcn8s", "epochs": 5, "root": "/home/me/data", "initial_weights": "/home/me/w.pth", "loss": "ohem"},
    {"commit": "abc123", "python": "3.12.1", "packages": {"torch": "2.11.0", "openvino": None}, "gpus": [], "cpu": "X"},
    7,
)


def front_matter(card: str) -> Any:
    empty, text, _ = card.split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(text)


def test_the_front_matter_is_what_model_hubs_read() -> None:
    content = front_matter(render(FACTS))
    assert content["library_name"] == "pytorch"
    assert content["pipeline_tag"] == "image-segmentation"
    assert content["datasets"] == ["pets"]
    assert content["tags"] == ["semantic-segmentation", "fcn8s", "pets"]
    (entry,) = content["model-index"]
    assert entry["results"][0]["metrics"][0] == {"type": "mean_iou", "value": 0.512345}


def test_a_card_says_scores_settings_versions_and_terms() -> None:
    card = render(FACTS)
    assert "trained on the train split of `pets` (images: 7) for 2 of 5 epochs" in card
    assert "|       2 |  51.23 |" in card
    assert "| dog   |     - |   25.00 |" in card
    assert "Commit abc123, Python 3.12.1, torch 2.11.0; X." in card
    assert "--model_weights_path saved/first/best.safetensors --root data --split val --benchmark pets" in card
    assert "Pets belong to themselves." in card


def test_a_card_names_no_folder_of_the_machine() -> None:
    card = render(FACTS)
    assert "/home/me" not in card
    assert "| `initial_weights` | w.pth " in card


def test_without_a_validated_epoch_there_are_no_scores() -> None:
    card = render(FACTS._replace(best=None))
    assert "No epoch was validated yet." in card
    assert "model-index" not in front_matter(card)


@pytest.mark.parametrize("name", catalogue.BENCHMARKS)
def test_each_benchmark_states_its_terms(name: str) -> None:
    benchmark = catalogue.benchmark(name)
    assert len(benchmark.terms) > 50
    assert benchmark.terms in render(FACTS._replace(benchmark=benchmark, best=None))


def test_only_an_earlier_card_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    assert may_replace(path)
    path.write_text(render(FACTS))
    assert may_replace(path)
    path.write_text("My notes.\n")
    assert not may_replace(path)
    path.unlink()
    path.mkdir()
    assert not may_replace(path)


def test_the_command_on_a_card_names_a_custom_benchmark_by_its_import_path() -> None:
    card = render(FACTS._replace(config={**FACTS.config, "benchmark": "my.pets"}))
    assert "--split val --benchmark my.pets\n" in card


@pytest.mark.parametrize(("start", "applies"), [("none", False), ("auto", True), ("imagenet", True)])
def test_the_terms_of_imagenet_are_left_out_if_the_weights_began_random(start: str, applies: bool) -> None:
    config = {**FACTS.config, "initial_weights": None, "backbone_weights": start}
    assert ("terms of ImageNet" in render(FACTS._replace(config=config))) is applies
