import argparse
import json
from pathlib import Path

import pytest

from bench import REPOSITORY, camvid


def options(folder: Path) -> argparse.Namespace:
    arguments = ["--root=data", "--epochs=2", "--crop_size=96", "--accelerator=cpu", f"--saved={folder / 'saved'}"]
    return camvid._parser().parse_args([*arguments, f"--results={folder / 'outputs'}"])


def test_finished_trainings_on_camvid_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial, runs = camvid.TRIALS[0], []
    run = tmp_path / "saved" / "recipes-original-0-2x96"
    scores = tmp_path / "outputs" / run.name / "test" / "scores.json"

    def pretend(script: str, *flags: str) -> None:
        runs.append(script)
        if script == "train_fcn.py":
            assert {"--recipe=original", "--precision=auto", "--epochs=2", f"--name={run.name}"} <= set(flags)
            run.mkdir(parents=True)
            rows = [{"val_miou": value, "train_loss": 1.0, "seconds": 60.0} for value in (0.1, 0.3)]
            (run / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            scores.parent.mkdir(parents=True)
            scores.write_text(json.dumps({"miou": 0.25}))

    monkeypatch.setattr(camvid, "_run", pretend)
    for _ in range(2):
        result = camvid._result(trial, options(tmp_path))
        assert (result["best_val_miou"], result["test_miou"], result["minutes"]) == (30.0, 25.0, 2.0)
    assert runs == ["train_fcn.py", "test_fcn.py"]


def test_seeds_are_summarised_as_mean_and_deviation(tmp_path: Path) -> None:
    results = [{"part": "scratch", "label": "fcn8s", "test_miou": score} for score in (56.0, 57.0, 58.0)]
    assert camvid._summary(results) == {"scratch fcn8s": {"runs": 3, "mean": 57.0, "deviation": 1.0}}
    assert camvid._summary(results[:1])["scratch fcn8s"]["deviation"] is None
    camvid.draw({"default": [1.0, 2.0], "original": [1.0, 1.5]}, tmp_path / "curves.png", "title")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_all_trials_of_camvid_use_existing_recipes() -> None:
    recipes = {flag.removeprefix("--recipe=") for trial in camvid.TRIALS for flag in trial.flags if "recipe=" in flag}
    assert recipes <= {path.stem for path in (REPOSITORY / "recipes").glob("*.yaml")}
    assert len({trial.name for trial in camvid.TRIALS}) == len(camvid.TRIALS)
