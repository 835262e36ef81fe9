"""The training loop alone, on a toy network and synthetic batches: when it validates, saves and publishes."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from engine.benchmark import Sample
from engine.checkpoints import About
from engine.data.dataset import Batch
from engine.data.sampler import EpochSampler
from engine.errors import InputError, Stopped
from engine.normalization import Normalize
from engine.training.batches import RemainingEpochs
from engine.training.config import TrainingConfig
from engine.training.evaluation import Evaluation
from engine.training.learner import Learner
from engine.training.metrics import Metrics
from engine.training.run import Run, State
from engine.training.trainer import Trainer

CLASSES = ("road", "car")


class Table:
    void, names = 255, CLASSES

    def __len__(self) -> int:
        return len(CLASSES)


class SyntheticBatches:
    """Two steps per epoch; a batch is a function of its seeds."""

    def __init__(self) -> None:
        self.samples = [Sample(str(number), Path(str(number)), None) for number in range(4)]
        self.sampler = EpochSampler(len(self.samples), 2, 0)
        self.prepared = 0

    def stream(self, epochs: int) -> Iterator[Batch]:
        for requests in RemainingEpochs(self.sampler, epochs):
            values = torch.tensor(
                [request.seed % 251 for request in requests if request.seed is not None], dtype=torch.uint8
            )
            yield values.view(-1, 1, 1, 1).expand(-1, 3, 4, 4), (values % 2).view(-1, 1, 1).expand(-1, 4, 4)

    def prepare(self, *parts: torch.Tensor) -> Batch:
        self.prepared += 1
        return parts[0], parts[1]


class Scores:
    """Evaluator that returns scores from a list, one per evaluation."""

    def __init__(self, mious: list[float], *, finite: bool = True) -> None:
        self.mious, self.finite, self.precisions = mious, finite, [""]
        self.learner: Learner | None = None

    def close(self) -> None:
        self.closed = True

    def __call__(self, forward: Any, loss: nn.Module, pause: Callable[[int], None]) -> Evaluation:
        if self.learner is not None:
            self.precisions.append(self.learner.evaluation_precision)
        finite = self.finite or self.precisions[-1] != "16-mixed"
        return Evaluation(1.0, Metrics(self.mious.pop(0), 0.5, 0.5, 0.5, [0.5, 0.5]), finite)


def training(folder: Path, scores: Scores, **changes: Any) -> Trainer:
    config = TrainingConfig(**{"batch_size": 2, "curves": "none", "save_minutes": 1e9, **changes})
    torch.manual_seed(0)
    network = nn.Conv2d(3, 2, 1)
    fabric = Fabric(accelerator="cpu")
    about = About.untrained("toy", 2, "toy", (0.5,) * 3, (0.5,) * 3)
    learner = Learner(fabric, network, Normalize(about.mean, about.std), config, 255)
    scores.learner = learner
    run = Run(folder)
    run.start({}, set())
    benchmark: Any = SimpleNamespace(classes=Table(), name="some", terms="")
    return Trainer(fabric, run, learner, about, benchmark, config, SyntheticBatches(), scores)  # type: ignore[arg-type]


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def saved(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def test_every_nth_epoch_and_the_last_are_validated(tmp_path: Path) -> None:
    best = training(tmp_path, Scores([0.25, 0.75]), epochs=3, validate_every=2).fit()
    assert [row["val_miou"] for row in rows(tmp_path)] == [None, 0.25, 0.75]
    assert rows(tmp_path)[0]["val_iou"] == [None, None]
    assert best is not None
    assert best["epoch"] == 3
    table = (tmp_path / "history.csv").read_text().splitlines()
    assert table[0].count("val_iou") == 2
    assert len({line.count(",") for line in table}) == 1


def test_the_curves_leave_out_what_was_not_measured(tmp_path: Path) -> None:
    training(tmp_path, Scores([0.25, 0.75]), epochs=3, validate_every=2, curves="png").fit()
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_each_start_has_one_file_of_events(tmp_path: Path) -> None:
    training(tmp_path, Scores([0.1, 0.2, 0.3]), epochs=3, save_minutes=0).fit()
    (first,) = (tmp_path / "tensorboard").iterdir()
    training(tmp_path, Scores([0.4]), epochs=4).fit()
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, round(event.value, 4)) for event in events.Scalars("val_miou")] == [
        (1, 0.1),
        (2, 0.2),
        (3, 0.3),
        (4, 0.4),
    ]
    assert first.is_file()


def test_the_state_is_saved_by_time_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saves: list[tuple[str, int]] = []
    keep, keep_best = Run.save, Run.save_best

    def save(self: Run, state: State) -> None:
        saves.append(("last", state.about.epoch))
        keep(self, state)

    def save_best(self: Run, weights: Any, about: About, classes: Sequence[str]) -> None:
        saves.append(("best", about.epoch))
        keep_best(self, weights, about, classes)

    monkeypatch.setattr(Run, "save", save)
    monkeypatch.setattr(Run, "save_best", save_best)
    training(tmp_path, Scores([0.1, 0.3, 0.2]), epochs=3).fit()
    assert saves == [("last", 0), ("best", 2), ("last", 3)]


def test_the_best_weights_are_those_of_their_epoch(tmp_path: Path) -> None:
    """They wait on the device while later steps change the network in place."""
    training(tmp_path / "long", Scores([0.1, 0.3, 0.2]), epochs=3, schedule="constant").fit()
    training(tmp_path / "short", Scores([0.1, 0.3]), epochs=2, schedule="constant").fit()
    long, short = saved(tmp_path / "long" / "best.pth"), saved(tmp_path / "short" / "best.pth")
    assert long["about"] == short["about"]
    assert torch.equal(long["weights"]["weight"], short["weights"]["weight"])
    assert not torch.equal(long["weights"]["weight"], saved(tmp_path / "long" / "last.pth")["weights"]["weight"])


def test_epochs_after_the_last_state_are_trained_again(tmp_path: Path) -> None:
    """A kill between two saves loses the epochs since; the history must not keep epochs that are trained again."""
    killed = training(tmp_path / "killed", Scores([0.1, 0.2, 0.3]), epochs=3)

    original = killed._save

    def save(row: Any, steps_done: int, epoch_metrics: Any) -> None:
        if row is not None:
            raise KeyboardInterrupt  # like a kill during the save at the end
        original(row, steps_done, epoch_metrics)

    killed._save = save  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        killed.fit()
    assert [row["epoch"] for row in rows(tmp_path / "killed")] == [1, 2]
    training(tmp_path / "killed", Scores([0.5, 0.6, 0.7]), epochs=3).fit()
    assert [(row["epoch"], row["val_miou"]) for row in rows(tmp_path / "killed")] == [(1, 0.5), (2, 0.6), (3, 0.7)]
    training(tmp_path / "whole", Scores([0.1, 0.2, 0.3]), epochs=3).fit()
    ours, theirs = (saved(tmp_path / name / "last.pth")["weights"] for name in ("killed", "whole"))
    assert torch.equal(ours["weight"], theirs["weight"])


def test_metrics_of_every_nth_step(tmp_path: Path) -> None:
    counted = []
    for every in (1, 2):
        its = training(tmp_path / str(every), Scores([0.1]), epochs=1, metrics_every=every)
        epoch_metrics = its._new_metrics()
        for step in range(4):
            logits, mask = torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1, dtype=torch.int64)
            epoch_metrics.add(torch.tensor(1.0), logits, mask, step)
        counted.append(int(epoch_metrics.matrix.counts.sum()))
        assert epoch_metrics.losses.tolist() == [4.0, 4.0], "losses of all steps"
    assert counted == [4, 2]


def test_a_network_beyond_fp16_is_validated_in_the_precision_of_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = Scores([0.1, 0.2, 0.3], finite=False)
    its = training(tmp_path, scores, epochs=2)
    its.learner.evaluation_precision = "16-mixed"
    its.fit()
    assert scores.precisions[1:] == ["16-mixed", "32-true", "32-true"]
    assert capsys.readouterr().out.count("predict with --precision 32-true") == 1


def stopped_within_an_epoch(folder: Path, **settings: Any) -> None:
    """A state after one of two steps."""
    its = training(folder, Scores([0.1]), epochs=1, **settings)
    its.learner.step = partial(_signal_then, its.learner.step)  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        its.fit()
    assert saved(folder / "last.pth")["steps_done"] == 1


def _signal_then(step: Any, *arguments: Any, **more: Any) -> Any:
    os.kill(os.getpid(), signal.SIGTERM)
    return step(*arguments, **more)


def test_an_epoch_begun_with_other_images_is_not_finished(tmp_path: Path) -> None:
    stopped_within_an_epoch(tmp_path)
    its = training(tmp_path, Scores([0.1]), epochs=1)
    its._data_state["train"] |= {"images": 5, "names": "others"}
    with pytest.raises(InputError, match="saved within an epoch of 4 images, but now there are 5"):
        its.fit()


def test_other_images_after_an_epoch_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training(tmp_path, Scores([0.1]), epochs=1).fit()
    capsys.readouterr()
    its = training(tmp_path, Scores([0.2]), epochs=2)
    its._data_state["val"]["names"] = "others"
    its.fit()
    assert (
        "validated on 0 images so far, on others from now on; the scores of earlier epochs" in capsys.readouterr().err
    )


def test_a_state_of_an_earlier_version_says_nothing_of_images(tmp_path: Path) -> None:
    stopped_within_an_epoch(tmp_path)
    state = saved(tmp_path / "last.pth")
    del state["data"]
    torch.save(state, tmp_path / "last.pth")
    training(tmp_path, Scores([0.1]), epochs=1).fit()
    assert [row["epoch"] for row in rows(tmp_path)] == [1]


def test_a_history_without_its_state_is_not_mixed_with_a_new_one(tmp_path: Path) -> None:
    training(tmp_path, Scores([0.1]), epochs=1).fit()
    (tmp_path / "last.pth").unlink()
    with pytest.raises(InputError, match=r"no such file, but history\.jsonl next to it ends with epoch 1"):
        training(tmp_path, Scores([0.1]), epochs=1).fit()
    assert len(rows(tmp_path)) == 1
