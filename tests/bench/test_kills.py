import torch

from bench import kills, tiny


def test_killed_and_undisturbed_trainings_are_identical() -> None:
    """Two kills here; the record has twenty, and other tests send each signal to a training."""
    record = kills.run(samples=None, kills=2, epochs=20, images=4, network=tiny.NAME)  # type: ignore[arg-type]  # needs no real data
    assert set(record["identical"].values()) == {True}, record
    assert sum(record["kills"].values()) >= 1
    assert "last.pth identical" in kills.table(record)


def test_a_difference_in_one_bit_is_found() -> None:
    state = {"weights": {"a": torch.ones(3)}, "row": {"epoch": 1, "seconds": 2.0}, "best": None}
    assert kills._equal(state, {**state, "row": {"epoch": 1, "seconds": 3.0}})
    assert not kills._equal(state, {**state, "row": {"epoch": 2, "seconds": 2.0}})
    nearly = torch.nextafter(torch.ones(3), torch.tensor(2.0))
    assert not kills._equal(state, {**state, "weights": {"a": nearly}})
    assert not kills._equal(state, {"weights": state["weights"]})
