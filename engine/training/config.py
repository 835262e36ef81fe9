"""How to train."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The settings of a training that its weights depend on, and how often they are saved."""

    epochs: int
    batch_size: int
    """Images a step, on each device."""
    accumulate: int
    """Steps whose gradients are added up before the weights change."""
    crop_size: int
    """Side of the square crops, in pixels."""
    augmentation: str
    class_uniform: float
    """Share of the crops, 0 to 1, that show a pixel of a class drawn from all alike."""
    loss: str
    class_weights: str
    """How the loss weighs classes by their frequency; none for all alike."""
    optimizer: str
    momentum: float
    learning_rate: float
    backbone_rate: float
    """Factor on the learning rate of the backbone."""
    weight_decay: float
    clip_norm: float
    """Longest gradient, 0 for any."""
    ema: float
    """Decay of the average of weights that is evaluated and kept, 0 for none."""
    schedule: str
    seed: int
    workers: int
    """Processes that load files, beside each training process."""
    save_minutes: float
    """How often the state is saved; also at the end."""
    validate_every: int
    """Epochs from one validation to the next; the last epoch is always validated."""
    metrics_every: int
    """Steps from one to the next whose pixels are counted for the training metrics."""
    cuda_graph: bool
    """On one GPU, replay each step as one CUDA graph where that can be done."""
    save_every: int
    """Keep the weights of every n-th epoch; 0 for none."""
    curves: bool
    """Draw the history after each epoch."""
