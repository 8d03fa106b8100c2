"""How many workers and triggerers a number of clips a day needs, and what they cost, as measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

from kling_airflow import measured
from kling_airflow.errors import InvalidArgument
from kling_airflow.models import IMAGE_TO_VIDEO, MODELS
from kling_airflow.prices import price_usd

DAY_SECONDS: Final = 86_400
LIMITS: Final[dict[str, tuple[float, float]]] = {
    "clips_per_day": (0, 10_000_000),
    "seconds": (1, 86_400),
    "clip_seconds": (3, 15),
    "poll_interval": (1, 3_600),
    "peak": (1, 100),
    "worker_cores": (0.1, 256),
    "triggerer_capacity": (1, 100_000),
    "max_calls_per_second": (0.01, 10_000),
}
"""The lowest and the highest value of each field."""
_WHOLE: Final = frozenset({"clips_per_day", "clip_seconds", "triggerer_capacity"})
WORKER_LOAD: Final = 0.7
"""The part of a worker's cores that is planned with."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of a deployment.

    :param clips_per_day: clips that are made in 24 hours.
    :param seconds: from a clip's submission to its end.
    :param way: ``mapped`` or ``storyboard``, see :data:`kling_airflow.measured.WAYS`.
    :param clip_seconds: the clip's own length.
    :param sound: whether the clips have sound.
    :param model: the model's id.
    :param poll_interval: seconds between two looks at a request.
    :param peak: how many times more clips the busiest time has than the average.
    :param worker_cores: cores of one worker.
    :param triggerer_capacity: ``[triggerer] capacity``.
    :param max_calls_per_second: the connection's rate limit.
    :raises InvalidArgument: for a value out of its limits, naming both.
    """

    clips_per_day: int
    seconds: float = 170.0
    way: str = "mapped"
    clip_seconds: int = 5
    sound: bool = False
    model: str = IMAGE_TO_VIDEO
    poll_interval: float = 10.0
    peak: float = 3.0
    worker_cores: float = 2.0
    triggerer_capacity: int = 1000
    max_calls_per_second: float = 50.0

    def __post_init__(self) -> None:
        for name, (lowest, highest) in LIMITS.items():
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not lowest <= value <= highest or (name in _WHOLE and value != int(value)):
                kind = "a whole number" if name in _WHOLE else "a number"
                raise InvalidArgument(
                    f"`{name}` is {value!r}; it must be {kind} from {lowest:,} to {highest:,}."
                )
        if self.way not in measured.WAYS:
            raise InvalidArgument(f"`way` is {self.way!r}; it must be one of {', '.join(measured.WAYS)}.")
        if self.model not in MODELS:
            raise InvalidArgument(
                f"`model` is {self.model!r}; it must be one of {', '.join(sorted(MODELS))}."
            )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a demand needs. Peaks are those of the busiest time; days are whole days."""

    waiting: float
    """Requests that wait at the peak."""
    workers: int
    worker_cpu: float
    """Cores that the workers use at the peak."""
    scheduler_cpu: float
    """Cores that the schedulers use at the peak."""
    triggerers: int
    triggerer_cpu: float
    """Cores that the waits use at the peak, in all triggerers."""
    triggerer_memory: float
    """Bytes of one triggerer at the peak."""
    calls_per_second: float
    """Calls to the queue at the peak, if its list can be used."""
    calls_per_second_by_id: float
    """The same, if each request must be read by id."""
    look_every: float
    """Seconds between two looks at a request, if each must be read by id: the rate limit may stretch it."""
    database_rows_per_day: float
    s3_operations_per_day: float
    s3_usd_per_day: float
    clips_usd_per_day: float | None
    """None if the price of the model is not documented."""

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the fields by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def plan(demand: Demand) -> Plan:
    """Return what a demand needs."""
    clips, way = demand.clips_per_day, measured.WAYS[demand.way]
    per_second = clips / DAY_SECONDS * demand.peak
    waiting = min(per_second * demand.seconds, float(clips))
    triggerers = max(2, math.ceil(waiting / demand.triggerer_capacity)) if clips else 0
    worker_cpu = per_second * way.worker_cpu.value
    looks = waiting / demand.poll_interval
    round_calls = (
        triggerers * measured.CALLS_PER_ROUND.value + waiting * measured.CALLS_PER_100_WAITS.value / 100
    )
    by_list = round_calls / demand.poll_interval
    share_writes = triggerers * measured.SHARE_WRITES.value
    writes = clips * (measured.LEDGER_WRITES.value + measured.LANDING_WRITES.value) + share_writes
    reads = clips * (measured.LEDGER_READS.value + measured.LANDING_READS.value)
    return Plan(
        waiting=waiting,
        workers=math.ceil(worker_cpu / (demand.worker_cores * WORKER_LOAD)),
        worker_cpu=worker_cpu,
        scheduler_cpu=per_second * way.scheduler_cpu.value,
        triggerers=triggerers,
        triggerer_cpu=looks * measured.CPU_PER_LOOK.value,
        triggerer_memory=(
            measured.MEMORY_OF_TRIGGERER.value + waiting / triggerers * measured.MEMORY_PER_WAIT.value
            if triggerers
            else 0.0
        ),
        calls_per_second=min(by_list, looks, demand.max_calls_per_second),
        calls_per_second_by_id=min(looks, demand.max_calls_per_second),
        look_every=max(demand.poll_interval, waiting / demand.max_calls_per_second),
        database_rows_per_day=clips * way.database_rows.value,
        s3_operations_per_day=writes + reads,
        s3_usd_per_day=writes * measured.USD_PER_WRITE.value + reads * measured.USD_PER_READ.value,
        clips_usd_per_day=_clips_usd(demand),
    )


def _clips_usd(demand: Demand) -> float | None:
    payload = {"duration": str(demand.clip_seconds), "sound": "on" if demand.sound else "off"}
    usd = price_usd(demand.model, payload)
    return None if usd is None else usd * demand.clips_per_day
