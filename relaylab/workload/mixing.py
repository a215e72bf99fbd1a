"""Several workloads as one."""

from collections.abc import Iterable

import numpy as np

from relaylab.errors import ConfigError
from relaylab.workload.trace import Workload


def mix(*workloads: Workload, name: str | None = None) -> Workload:
    """All events of these workloads, by time; equal times in the order of the arguments.

    Parameters
    ----------
    *workloads : Workload
        One or more; times and CPUs are taken as they are.
    name : str, optional
        What to call the result; by default their names, joined.

    Returns
    -------
    Workload
        With as many CPUs as the one that has most.

    Raises
    ------
    ConfigError
        None was given, or something else than a workload.
    """
    if len(workloads) == 1 and not isinstance(workloads[0], Workload):
        only = workloads[0]
        workloads = tuple(only) if isinstance(only, Iterable) else workloads
    for each in workloads:
        if not isinstance(each, Workload):
            raise ConfigError("mix", passed=each, allowed="workloads, one or more")
    if not workloads:
        raise ConfigError("mix", passed=(), allowed="workloads, one or more")
    t_ns = np.concatenate([each.t_ns for each in workloads])
    order = np.argsort(t_ns, kind="stable")
    return Workload(
        t_ns[order],
        np.concatenate([each.cpu for each in workloads])[order],
        np.concatenate([each.size for each in workloads])[order],
        n_cpus=max(each.n_cpus for each in workloads),
        name=" + ".join(each.name for each in workloads) if name is None else name,
        skipped=sum(each.skipped for each in workloads),
    )
