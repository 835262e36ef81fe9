"""The same work on many items in several processes, where each error becomes a result."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from types import FrameType
from typing import Any, TypeVar

from engine.errors import InputError, stop

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cpus() -> int:
    """The number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parallel_map(
    work: Callable[[Item], Result], items: Sequence[Item], *, workers: int, title: str
) -> Iterator[tuple[Item, Result | InputError]]:
    """Call `work` on every item and yield (item, result) in the order of the items, with a progress bar.

    Where `work` raises an InputError, the error is the result of that item, and the other items are not affected.
    With more than one worker, `work` and the items must be picklable. Memory does not grow with the number of items.
    """
    pairs = _here(work, items) if workers <= 1 or len(items) <= 1 else _in_processes(work, items, workers)
    if not sys.stderr.isatty():
        yield from pairs
        return
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # its monitor thread would forbid forking
    yield from tqdm(pairs, total=len(items), desc=title, leave=False)


def _here(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result | InputError]]:
    for item in items:
        yield item, _attempt(work, item)


def _in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[tuple[Item, Result | InputError]]:
    size = min(workers, len(items))
    with _noted_signals() as interrupted, ProcessPoolExecutor(size, _context(), _equip, (work, items)) as pool:
        try:
            for number, result in prefetch(pool, _work_on, range(len(items)), depth=2 * size):
                if interrupted:
                    break
                yield items[number], result
        except BrokenProcessPool:
            if not interrupted:  # Ctrl-C may reach a worker before the worker can ignore it
                message = "a worker was killed; if the system ran out of memory, give fewer --workers"
                raise BrokenProcessPool(message) from None
    for number, handler in interrupted.items():
        handler(number, None)


Handler = Callable[[int, FrameType | None], Any]


@contextlib.contextmanager
def _noted_signals() -> Iterator[dict[int, Handler]]:
    """Record the first Ctrl-C or SIGTERM with its usual handler instead of calling it; the second is handled at once.

    The usual handlers raise an exception between any two instructions. Inside a lock of the pool that would leave the
    lock held: the process would hang, or end with an error of the lock.
    """
    noted: dict[int, Handler] = {}
    raising: dict[int, Handler] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: stop}
    here = threading.current_thread() is threading.main_thread()
    usual = {number: handler for number, handler in raising.items() if here and signal.getsignal(number) is handler}

    def note(number: int, _: FrameType | None) -> None:
        noted[number] = usual[number]
        signal.signal(number, usual[number])

    for number in usual:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


_equipment: list[tuple[Callable[[Any], Any], Sequence[Any]]] = []
"""The work and all items, in a worker: it receives them once, and afterwards only indices of items."""


def _equip(work: Callable[[Any], Any], items: Sequence[Any]) -> None:
    _equipment.append((work, items))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends the workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()


def end_with_parent() -> None:
    """End this worker process as soon as its parent process has ended, even by SIGKILL; without a parent, do nothing.

    Otherwise the worker may wait forever. A worker of a pool also holds the writing end of its own queue, and one of
    PyTorch does not notice a parent that ended while the worker started.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _work_on(number: int) -> Any:
    work, items = _equipment[-1]
    return work(items[number])


def _context() -> BaseContext:
    """The start method of workers: fork, which needs no imports, unless the process has threads.

    A fork of a process with threads may hang, and torch starts threads. A fresh server process forks the workers then.
    """
    alone = sys.platform == "linux" and threading.active_count() == 1 and "torch" not in sys.modules
    return multiprocessing.get_context("fork" if alone else "forkserver")


def prefetch(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], *, depth: int
) -> Iterator[tuple[Item, Result | InputError]]:
    """Yield (item, result) in the order of the items, while a pool works on the next `depth` items.

    Where `work` raises an InputError, the error is the result of that item.
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


def raise_errors(done: Iterable[tuple[Item, Result | InputError]]) -> Iterator[tuple[Item, Result]]:
    """The items and their results; the first error is raised instead of being yielded."""
    for item, result in done:
        if isinstance(result, InputError):
            raise result
        yield item, result


def _attempt(work: Callable[[Item], Result], item: Item) -> Result | InputError:
    try:
        return work(item)
    except InputError as error:
        return error
