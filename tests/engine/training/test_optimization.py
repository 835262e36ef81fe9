import pytest
import torch
from torch import nn

from engine.errors import InputError
from engine.training.optimization import OPTIMIZERS, build_optimizer, load_state, parameter_groups, set_learning_rate

CPU = torch.device("cpu")


def layer(*, seed: int = 0) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(3, 2)


def step(network: nn.Linear, name: str, *, decay: float, momentum: float = 0.0, in_loss: float = 0.0) -> None:
    """Three steps on a loss, with `in_loss` / 2 times the squared weights added to it."""
    optimizer = build_optimizer(name, parameter_groups(network, decay), 1.0, momentum, CPU)
    image = torch.tensor([[1.0, -2.0, 0.5]])
    for rate in (0.1, 0.05, 0.02):
        set_learning_rate(optimizer, rate)
        optimizer.zero_grad()
        loss = network(image).square().sum() + in_loss / 2 * network.weight.square().sum()
        torch.autograd.backward(loss)
        optimizer.step()


@pytest.mark.parametrize("name", ["adam", "sgd", "caffe_sgd"])
def test_weight_decay_is_an_l2_term_of_the_loss(name: str) -> None:
    decayed, penalised, free = layer(), layer(), layer()
    step(decayed, name, decay=0.3)
    step(penalised, name, decay=0.0, in_loss=0.3)
    step(free, name, decay=0.0)
    assert torch.allclose(decayed.weight, penalised.weight, atol=1e-6)
    assert not torch.allclose(decayed.weight, free.weight, atol=1e-3)


def test_adamw_decays_apart_from_the_gradient() -> None:
    decayed, penalised = layer(), layer()
    step(decayed, "adamw", decay=0.3)
    step(penalised, "adamw", decay=0.0, in_loss=0.3)
    assert not torch.allclose(decayed.weight, penalised.weight, atol=1e-3)


def test_biases_learn_twice_as_fast_as_in_caffe() -> None:
    network = layer()
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    optimizer = build_optimizer("caffe_sgd", parameter_groups(network, 0.0), 0.1, 0.9, CPU)
    set_learning_rate(optimizer, 0.1)
    torch.autograd.backward(network(torch.ones(1, 3)).sum())
    optimizer.step()
    assert torch.allclose(before["weight"] - network.weight, torch.full((2, 3), 0.1))
    assert torch.allclose(before["bias"] - network.bias, torch.full((2,), 0.2))


def test_parameters_that_are_fixed_are_left_out() -> None:
    network = layer()
    network.weight.requires_grad_(False)
    assert [len(group["params"]) for group in parameter_groups(network, 0.1)] == [1]


def test_states_without_rate_factors_resume() -> None:
    network = layer()
    optimizer = build_optimizer("sgd", parameter_groups(network, 0.0), 0.1, 0.9, CPU)
    state = optimizer.state_dict()
    for group in state["param_groups"]:
        del group["rate_factor"]
    optimizer.load_state_dict(state)
    set_learning_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5]


def on_gpu(name: str, network: nn.Linear) -> torch.optim.Optimizer:
    """The optimiser for a GPU, with its learning-rate tensor on the CPU."""
    with torch.device("cpu"):
        groups = parameter_groups(network, 0.0)
        options = {"lr": torch.tensor(0.1), "fused": True}
        return OPTIMIZERS[name](groups, 0.9, options | ({"capturable": True} if name == "adamw" else {}))


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_run_resumes_on_the_other_kind_of_device(name: str) -> None:
    """Options that belong to the device keep their values, whatever the state was saved with."""
    here, there = layer(), layer()
    ours, theirs = build_optimizer(name, parameter_groups(here, 0.0), 0.1, 0.9, CPU), on_gpu(name, there)
    for optimizer, network in ((ours, here), (theirs, there)):
        torch.autograd.backward(network(torch.ones(1, 3)).sum())
        if optimizer is ours:
            optimizer.step()
    rates = [group["lr"] for group in theirs.param_groups]
    load_state(theirs, ours.state_dict())
    assert all(group["lr"] is rate for group, rate in zip(theirs.param_groups, rates, strict=True))
    assert all(group["fused"] for group in theirs.param_groups)
    theirs_state = theirs.state_dict()
    load_state(ours, theirs_state)
    assert not any(group["fused"] for group in ours.param_groups)
    assert [group["lr"] for group in ours.param_groups] == [0.1, 0.1]


def test_the_rate_of_a_graph_changes_in_place() -> None:
    optimizer = on_gpu("adamw", layer())
    rates = [group["lr"] for group in optimizer.param_groups]
    set_learning_rate(optimizer, 0.5)
    assert [rate.item() for rate in rates] == [0.5, 0.5]


def test_a_state_of_other_parameters_says_what_to_do() -> None:
    network = layer()
    state = build_optimizer("adamw", parameter_groups(network, 0.0), 0.1, 0.9, CPU).state_dict()
    network.bias.requires_grad_(False)
    with pytest.raises(InputError, match="another version of this program"):
        load_state(build_optimizer("adamw", parameter_groups(network, 0.0), 0.1, 0.9, CPU), state)
