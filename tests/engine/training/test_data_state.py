from pathlib import Path

import pytest

from engine.benchmark import Sample
from engine.errors import InputError
from engine.training.data_state import changes, fingerprint, resume_step

LAST = Path("saved/r/last.pth")


def samples(folder: Path, *names: str) -> list[Sample]:
    for name in names:
        (folder / name).write_text(name)
    return [Sample(name, folder / name, folder / name) for name in names]


def test_the_same_images_are_no_change(tmp_path: Path) -> None:
    state = fingerprint(samples(tmp_path, "a", "b"), samples(tmp_path, "c"), 2)
    assert changes(state, fingerprint(samples(tmp_path, "a", "b"), samples(tmp_path, "c"), 2)) == []
    assert resume_step(state, state, 1, 1, LAST) == 1


def test_changes_are_reported_by_split(tmp_path: Path) -> None:
    state = fingerprint(samples(tmp_path, "a", "b"), samples(tmp_path, "c"), 2)
    fewer = fingerprint(samples(tmp_path, "a"), samples(tmp_path, "d"), 1)
    trained, validated = changes(state, fewer)
    assert trained == "trained on 2 images so far, on 1 from now on"
    assert validated.startswith("validated on 1 images so far, on others from now on; the scores of earlier epochs")
    (tmp_path / "a").write_text("longer")
    redrawn = fingerprint([Sample(name, tmp_path / name, tmp_path / name) for name in "ab"], samples(tmp_path, "c"), 2)
    assert changes(state, redrawn) == [
        "image or mask files that the network is trained on have changed since the last state was saved"
    ]
    (tmp_path / "a").unlink()
    assert changes(state, fingerprint([Sample(n, tmp_path / n, None) for n in "ab"], samples(tmp_path, "c"), 2))


def test_an_epoch_is_not_finished_on_other_images(tmp_path: Path) -> None:
    before, now = fingerprint(samples(tmp_path, "a", "b"), [], 2), fingerprint(samples(tmp_path, "a"), [], 1)
    assert resume_step(before, now, 0, 1, LAST) == 0
    with pytest.raises(InputError, match="saved within an epoch of 2 images, but now there are 1"):
        resume_step(before, now, 1, 1, LAST)


@pytest.mark.parametrize(
    ("step", "steps", "accumulate", "expected"),
    [(5, 10, 1, 5), (5, 5, 1, 2), (5, 20, 1, 10), (5, 20, 4, 8), (9, 3, 1, 2), (10, 3, 2, 3)],
)
def test_other_numbers_of_processes_take_other_steps(step: int, steps: int, accumulate: int, expected: int) -> None:
    """With twice as many processes an epoch has half the steps; one that waits for its validation has all of them."""
    before, now = fingerprint([], [], 10), fingerprint([], [], steps)
    assert resume_step(before, now, step, accumulate, LAST) == expected


def test_a_failing_disk_is_not_a_missing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = samples(tmp_path, "a")

    def failing(path: Path) -> None:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(Path, "stat", failing)
    with pytest.raises(OSError, match="Input/output error"):
        fingerprint(images, [], 1)
