import numpy as np
import pytest

from engine.arrays import true_positions


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 64, 1001])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 1])
def test_true_positions_are_those_of_numpy(length: int, share: float) -> None:
    flags = np.random.default_rng(length).random(length + 3) < share
    for part in (flags[:length], flags[3:]):  # the second one does not begin at a multiple of eight bytes
        positions = true_positions(part)
        assert positions.dtype == np.int64
        assert np.array_equal(positions, np.flatnonzero(part))
