"""A workload laid out over another number of CPUs."""

import numpy as np

from relaylab.workload import Workload

MAX_EVENTS = 4_000_000


def spread(workload: Workload, n_cpus: int) -> Workload:
    """The workload with its per-CPU streams dealt to `n_cpus` CPUs.

    CPU k plays the stream of the workload's CPU k modulo its CPUs: fewer CPUs get the first
    streams, more CPUs repeat them.

    Parameters
    ----------
    workload : Workload
        What to lay out.
    n_cpus : int
        CPUs of the result.

    Returns
    -------
    Workload
        In time order; cut short where it would exceed `MAX_EVENTS` events.
    """
    streams = workload.n_cpus
    if streams == n_cpus:
        return workload
    longest = max(1, MAX_EVENTS * streams // n_cpus)
    t_ns, cpu, size = workload.t_ns[:longest], workload.cpu[:longest], workload.size[:longest]
    of_stream = [np.flatnonzero(cpu == stream) for stream in range(streams)]
    chosen = [of_stream[k % streams] for k in range(n_cpus)]
    taken = np.concatenate(chosen)
    target = np.repeat(np.arange(n_cpus, dtype=np.uint16), [len(part) for part in chosen])
    order = np.argsort(t_ns[taken], kind="stable")
    taken = taken[order]
    return Workload(t_ns[taken], target[order], size[taken], n_cpus, workload.name)
