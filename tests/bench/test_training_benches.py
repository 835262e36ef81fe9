import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench import REPOSITORY, camvid, race
from bench.__main__ import main
from bench.contenders import training_step
from bench.contenders.loader import AncestorsDataset, ours
from cityscapes.dataset import CityscapesBenchmark


def test_both_loaders_give_the_same_crops_in_their_own_form(demo_root: Path) -> None:
    samples = CityscapesBenchmark().samples(demo_root, "val")[:1]
    image, mask = AncestorsDataset(samples)[0]
    assert (image.shape, image.dtype) == ((3, 1024, 1024), torch.float32)
    assert (mask.shape, mask.dtype) == ((1024, 1024), torch.int64)
    assert mask.max() <= 19
    our_image, our_mask = ours(samples, None).dataset[0, 1]
    assert (our_image.shape, our_image.dtype) == ((3, 1024, 1024), torch.uint8)
    assert (our_mask.shape, our_mask.dtype) == ((1024, 1024), torch.uint8)


def test_loading_needs_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["loader", "--samples", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert "no real images to load" in capsys.readouterr().err


@pytest.mark.parametrize("build", [training_step.ancestors_step, training_step.our_step])
def test_a_step_changes_the_network(build: Callable[[int, int], Callable[[], object]]) -> None:
    step = build(1, 64)
    losses = [float(first[0] if isinstance(first := step(), tuple) else first) for _ in range(2)]  # type: ignore[arg-type]
    assert losses[0] != losses[1]


def test_a_contender_may_tell_its_own_seconds() -> None:
    seconds = race.hold({"talks": ["-c", "print('loading'); print(0.25)"]}, rounds=1, told=True)
    assert seconds == {"talks": [0.25]}


def chosen(folder: Path) -> argparse.Namespace:
    words = ["--root=data", "--epochs=2", "--crop_size=96", "--accelerator=cpu", f"--saved={folder / 'saved'}"]
    return camvid._parser().parse_args([*words, f"--results={folder / 'outputs'}"])


def test_trainings_on_camvid_go_on_where_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial, runs = camvid.TRIALS[0], []
    run = tmp_path / "saved" / "recipes-ancestor-0-2x96"
    scores = tmp_path / "outputs" / run.name / "test" / "scores.json"

    def pretend(script: str, *flags: str) -> None:
        runs.append(script)
        if script == "train_fcn.py":
            assert {"--recipe=ancestor", "--precision=auto", "--epochs=2", f"--name={run.name}"} <= set(flags)
            run.mkdir(parents=True)
            rows = [{"val_miou": value, "train_loss": 1.0, "seconds": 60.0} for value in (0.1, 0.3)]
            (run / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            scores.parent.mkdir(parents=True)
            scores.write_text(json.dumps({"miou": 0.25}))

    monkeypatch.setattr(camvid, "_run", pretend)
    for _ in range(2):
        result = camvid._result(trial, chosen(tmp_path))
        assert (result["best_val_miou"], result["test_miou"], result["minutes"]) == (30.0, 25.0, 2.0)
    assert runs == ["train_fcn.py", "test_fcn.py"]


def test_seeds_are_summed_up_as_mean_and_deviation(tmp_path: Path) -> None:
    results = [{"part": "scratch", "label": "fcn8s", "test_miou": score} for score in (56.0, 57.0, 58.0)]
    assert camvid._summary(results) == {"scratch fcn8s": {"runs": 3, "mean": 57.0, "deviation": 1.0}}
    assert camvid._summary(results[:1])["scratch fcn8s"]["deviation"] is None
    camvid.draw({"default": [1.0, 2.0], "ancestor": [1.0, 1.5]}, tmp_path / "curves.png", "title")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_all_trials_of_camvid_are_of_recipes_that_there_are() -> None:
    recipes = {flag.removeprefix("--recipe=") for trial in camvid.TRIALS for flag in trial.flags if "recipe=" in flag}
    assert recipes <= {path.stem for path in (REPOSITORY / "recipes").glob("*.yaml")}
    assert len({trial.name for trial in camvid.TRIALS}) == len(camvid.TRIALS)
