"""The three segmentation tasks of the benchmark."""

from typing import Literal, get_args

Task = Literal["pixel", "instance", "panoptic"]
TASKS: tuple[Task, ...] = get_args(Task)
