"""The same work on many files, by several processes, with every fault kept."""

import functools
import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing.context import BaseContext
from typing import TypeVar

from engine.faults import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cpus() -> int:
    """The number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(
    work: Callable[[Item], Result], items: Sequence[Item], *, workers: int, title: str
) -> Iterator[tuple[Item, Result | InputError]]:
    """Do `work` on every item and yield (item, result) in the order of the items, with a progress bar.

    An item that raises InputError yields that error in place of a result, and the others go on. With more
    than one worker, `work` and the items must pickle. Memory does not grow with the number of items.
    """
    pairs = _here(work, items) if workers <= 1 or len(items) <= 1 else _in_processes(work, items, workers)
    if not sys.stderr.isatty():
        yield from pairs
        return
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # the thread that watches over bars would be in the way of forking
    yield from tqdm(pairs, total=len(items), desc=title, leave=False)


def _here(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result | InputError]]:
    for item in items:
        yield item, _attempt(work, item)


def _in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[tuple[Item, Result | InputError]]:
    # Handing over several items at a time saves as much as a millisecond an item.
    size = max(1, min(8, len(items) // (16 * workers)))
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    with ProcessPoolExecutor(min(workers, len(items)), mp_context=_context()) as pool:
        for chunk, results in ahead(pool, functools.partial(_attempt_all, work), chunks, depth=2 * workers):
            if isinstance(results, InputError):
                raise results
            yield from zip(chunk, results, strict=True)


def _context() -> BaseContext:
    """How to start workers: forked, they have all modules at once, but beside threads a fork may hang.

    Where torch is loaded there are threads; there a fresh server process forks the workers.
    """
    alone = sys.platform == "linux" and threading.active_count() == 1 and "torch" not in sys.modules
    return multiprocessing.get_context("fork" if alone else "forkserver")


def ahead(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], *, depth: int
) -> Iterator[tuple[Item, Result | InputError]]:
    """Yield (item, result) in the order of the items, while a pool works on the next `depth` of them.

    An item that raises InputError yields that error in place of a result.
    """
    waiting: deque[tuple[Item, Future[Result | InputError]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(_attempt, work, item)))
            if len(waiting) > depth:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        for _, future in waiting:
            future.cancel()


def _attempt_all(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result | InputError]:
    return [_attempt(work, item) for item in items]


def _attempt(work: Callable[[Item], Result], item: Item) -> Result | InputError:
    try:
        return work(item)
    except InputError as error:
        return error
