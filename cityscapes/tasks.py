"""The three segmentation tasks of the benchmark."""

from typing import Literal, get_args

from engine.errors import InputError

Task = Literal["pixel", "instance", "panoptic"]
TASKS: tuple[Task, ...] = get_args(Task)


def require_task(task: str) -> None:
    """Check that a task exists.

    Raises:
        InputError: if it does not.
    """
    if task not in TASKS:
        raise InputError(f"task: got {task!r}, expected one of {', '.join(TASKS)}; give one of these")
