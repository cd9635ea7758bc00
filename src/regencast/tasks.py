"""Independent tasks: in this process, in processes of this machine, or on a Dask cluster.

In: a function, what all its calls share, and the rest of each call. Out: the results, in the order
of the calls, whatever carried them out. It knows nothing of corpora, models or files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from regencast.errors import fail

#: Tasks that wait on a cluster, per worker; more would only fill memory.
AHEAD = 2
#: A task whose worker died is given to another one so often.
RETRIES = 3


def run_each(
    function: Callable[..., Any],
    shared: tuple[Any, ...],
    tasks: Iterable[tuple[Any, ...]],
    jobs: int = 1,
    cluster: str | None = None,
) -> Iterator[Any]:
    """Call ``function(*shared, *task)`` for each task.

    Parameters
    ----------
    function : callable
        Importable, and a function of its arguments alone.
    shared : tuple
        Arguments that all calls have in common; a worker gets them once.
    tasks : iterable of tuple
        Read as results are taken, a few ahead, with one process or a cluster.
    jobs : int, default 1
        Processes of this machine, where there is no cluster.
    cluster : str, optional
        Address of a Dask scheduler, or ``local`` for a cluster of this machine's cores.

    Yields
    ------
    object
        The result of each task, in their order.

    Raises
    ------
    FaultyInput
        If no scheduler answers at the address.
    """
    if cluster is not None:
        yield from _on_cluster(function, shared, tasks, cluster)
    elif jobs == 1:
        for task in tasks:
            yield function(*shared, *task)
    else:
        from joblib import Parallel, delayed

        calls = (delayed(function)(*shared, *task) for task in tasks)
        yield from Parallel(n_jobs=jobs, return_as="generator")(calls)


def _on_cluster(
    function: Callable[..., Any],
    shared: tuple[Any, ...],
    tasks: Iterable[tuple[Any, ...]],
    address: str,
) -> Iterator[Any]:
    from dask.distributed import Client, LocalCluster

    try:
        here = (
            LocalCluster(threads_per_worker=1, dashboard_address=None)
            if address == "local"
            else None
        )
        client = Client(here or address, timeout=20)
    except (OSError, ValueError) as error:
        raise fail(address, f"no Dask scheduler answers there ({type(error).__name__})",
                   "Give its address, tcp://HOST:PORT, or `local`") from None  # fmt: skip
    try:
        # A tuple itself would be taken apart into one future for each part.
        common = client.scatter([shared], broadcast=True)[0]
        waiting: deque[Any] = deque()
        for task in tasks:
            waiting.append(
                client.submit(_call, function, common, task, retries=RETRIES, pure=False)
            )
            if len(waiting) > AHEAD * max(len(client.nthreads()), 1):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        client.close()
        if here:
            here.close()


def _call(function: Callable[..., Any], shared: tuple[Any, ...], task: tuple[Any, ...]) -> Any:
    return function(*shared, *task)
