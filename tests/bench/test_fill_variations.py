import pytest

fill_variations = pytest.importorskip("bench.fill_variations")
fidelity = pytest.importorskip("bench.ground_truth_fidelity")


@pytest.mark.parametrize("name", fill_variations.VARIATIONS)
def test_only_the_rule_draws_as_old_pillow_did(name: str) -> None:
    assert (fidelity._golden(name) == 0) == (name == "the rule")
