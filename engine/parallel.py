"""The same work on many files, by several processes, with every fault kept."""

import contextlib
import multiprocessing
import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from typing import Any, Generic, Self, TypeAlias, TypeVar, cast

from engine.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")
_Receiver: TypeAlias = "Connection[Any, Any]"


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
    with _Crew(work, items, min(workers, len(items))) as crew:
        early: dict[int, Result | InputError] = {}
        due = 0
        while due < len(items):
            crew.assign(up_to=due + 2 * workers)
            early.update(crew.finished())
            while due in early:
                yield items[due], early.pop(due)
                due += 1


class _Crew(Generic[Item, Result]):
    """Processes that have the work and all items, and take the number of the next item whenever they are free.

    The standard library's pools send the work along with each item, through threads, which costs a short run a tenth.
    """

    def __init__(self, work: Callable[[Item], Result], items: Sequence[Item], size: int) -> None:
        context = _context()
        self._items, self._assigned = len(items), 0
        self._numbers: SimpleQueue[int | None] = context.SimpleQueue()
        self._members: dict[_Receiver, BaseProcess] = {}
        for _ in range(size):
            receiver, sender = context.Pipe(duplex=False)
            member = context.Process(target=_serve, args=(work, items, self._numbers, sender), daemon=True)  # type: ignore[attr-defined]
            member.start()
            sender.close()
            self._members[receiver] = member

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Let each finish the items that were handed out."""
        for _ in self._members:
            self._numbers.put(None)
        while self._members:
            for receiver in self._ready():
                with contextlib.suppress(EOFError):
                    receiver.recv()
                    continue
                self._members.pop(receiver).join()

    def assign(self, up_to: int) -> None:
        """Hand out the items before this number."""
        while self._assigned < min(up_to, self._items):
            self._numbers.put(self._assigned)
            self._assigned += 1

    def finished(self) -> list[tuple[int, Result | InputError]]:
        """Wait for results, and give each with the number of its item.

        Raises:
            RuntimeError: if a process was killed.
            Exception: what the work raised.
        """
        try:
            results = [receiver.recv() for receiver in self._ready()]
        except EOFError:
            for member in self._members.values():
                member.terminate()  # one of them may have died with the key to the queue
            raise RuntimeError("a worker was killed; if the system ran out of memory, give fewer --workers") from None
        for _, result in results:
            if isinstance(result, Exception) and not isinstance(result, InputError):
                raise result
        return results

    def _ready(self) -> list[_Receiver]:
        """Wait until there is something to receive, or a process has ended."""
        return cast("list[_Receiver]", wait(list(self._members)))


def _serve(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    numbers: "SimpleQueue[int | None]",
    sender: "Connection[Any, Any]",
) -> None:
    """What a process of the crew does."""
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):  # the first process tells of these
        while (number := numbers.get()) is not None:
            try:
                result: object = _attempt(work, items[number])
            except Exception as error:
                error.add_note(traceback.format_exc())
                result = error
            sender.send((number, result))


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


def required(done: Iterable[tuple[Item, Result | InputError]]) -> Iterator[tuple[Item, Result]]:
    """What was done, where none may fail: the first error is raised."""
    for item, result in done:
        if isinstance(result, InputError):
            raise result
        yield item, result


def _attempt(work: Callable[[Item], Result], item: Item) -> Result | InputError:
    try:
        return work(item)
    except InputError as error:
        return error
