import pytest
import torch

import catalogue
from engine.checkpoints import About
from engine.devices import make_fabric
from engine.inference import Forward
from engine.transforms import IMAGENET_MEAN, IMAGENET_STD


@pytest.mark.parametrize("name", ["fcn8s", "fcn16s_vgg16", "unet"])
@pytest.mark.parametrize("size", [(64, 96), (101, 77)])
def test_fused_layers_give_what_the_network_gives(name: str, size: tuple[int, int]) -> None:
    benchmark, fabric = catalogue.benchmark("cityscapes"), make_fabric("cpu", "32-true")
    about = About(name, 19, "cityscapes", IMAGENET_MEAN, IMAGENET_STD, 0, None)
    torch.manual_seed(0)
    weights = catalogue.network(name, 19).state_dict()
    random = torch.Generator().manual_seed(0)
    for key, value in weights.items():
        if key.startswith("score"):  # FCNs begin with scores of zero
            value.normal_(generator=random)
    image = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8, generator=random)
    forwards = []
    for exact in (True, False):
        network = catalogue.network(name, 19)
        network.load_state_dict(weights)
        forwards.append(Forward(fabric, network, about, benchmark, exact=exact))
    plain, fused = (forward.logits(image) for forward in forwards)
    assert torch.allclose(plain, fused, rtol=1e-3, atol=1e-4 * plain.abs().max().item())
    ids = [forward(image) for forward in forwards]
    assert len(set(ids[0].flatten().tolist())) > 1
    assert (ids[0] == ids[1]).float().mean() >= 0.999
