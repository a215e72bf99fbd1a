"""The settings of a run as a scenario's JSON has them."""

from typing import Any

from relaylab.lab import strict
from relaylab.lab.settings import (
    FULL_SPEED,
    LIMITS,
    MAX_LATENCY_NS,
    RULES,
    ReaderModel,
    Settings,
)


def written(settings: Settings) -> dict[str, Any]:
    """The settings as JSON has them; `read` is the inverse. No speed is infinite there."""
    reader = settings.reader
    return {
        "channel": {
            "subbuf_size": settings.subbuf_size,
            "n_subbufs": settings.n_subbufs,
            "n_cpus": settings.n_cpus,
            "overwrite": settings.overwrite,
            "header": settings.header,
            "store_padding": settings.store_padding,
            "rules": settings.rules,
        },
        "commit_delay_ns": settings.commit_delay,
        "reader": {
            "latency_ns": reader.latency_ns,
            "per_subbuf_ns": reader.per_subbuf_ns,
            "bytes_per_s": _finite(reader.bytes_per_s),
        },
        "rate": _finite(settings.rate),
    }


def read(keys: strict.Keys) -> Settings:
    """What `written` made; what is missing is as in `Settings`.

    Parameters
    ----------
    keys : strict.Keys
        Of the scenario; those of the settings are taken.

    Raises
    ------
    ConfigError
        A key or value that is not allowed: says which, what it is and what is allowed.
    """
    channel = strict.Keys("channel", keys.take("channel", {}))
    plain = Settings()
    sizes = {
        name: strict.whole(name, channel.take(name, getattr(plain, name)), 1, most, unit)
        for name, (most, unit) in LIMITS.items()
    }
    overwrite = strict.flag("overwrite", channel.take("overwrite", False))
    most = sizes["subbuf_size"]
    header = strict.whole("header", channel.take("header", 0), 0, most, "bytes")
    store_padding = strict.flag("store_padding", channel.take("store_padding", False))
    rules = strict.choice("rules", channel.take("rules", RULES[0]), RULES)
    channel.end()
    reader = strict.Keys("reader", keys.take("reader", {}))
    speed = reader.take("bytes_per_s", "max")
    model = ReaderModel(
        strict.whole("latency_ns", reader.take("latency_ns", 0), 0, MAX_LATENCY_NS, "ns"),
        strict.whole("per_subbuf_ns", reader.take("per_subbuf_ns", 0), 0, MAX_LATENCY_NS, "ns"),
        _speed("bytes_per_s", speed, 1, "bytes a second"),
    )
    reader.end()
    rate = _speed("rate", keys.take("rate", 0), 0, "events a second, 0 for the workload's own")
    commit_delay = strict.whole(
        "commit_delay_ns", keys.take("commit_delay_ns", 0), 0, MAX_LATENCY_NS, "ns"
    )
    return Settings(
        **sizes,
        overwrite=overwrite,
        rate=rate,
        reader=model,
        header=header,
        store_padding=store_padding,
        rules=rules,
        commit_delay=commit_delay,
    )


def _speed(what: str, value: object, least: float, unit: str) -> float:
    if value == "max":
        return FULL_SPEED
    return strict.number(what, value, least, 1e18, unit + ', or "max"')


def _finite(speed: float) -> float | str:
    return "max" if speed == FULL_SPEED else speed
