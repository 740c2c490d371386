"""What a benchmark measures: comparisons of contestants that take turns at one task. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

WHAT = ("data", "compute", "epoch", "inference", "gradcam", "self")
PRECISIONS = ("fp32", "tf32", "bf16")
SELF_LEVEL = 0.999
SELF_SCALE = 0.08
PLANTED_SLOWDOWN = 0.05
GRADCAM_IMAGES = 2  # of a sample; each is explained on its own


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One process of a comparison.

    Attributes:
        name: In the report.
        side: ``legacy`` or ``port``.
        precision: ``fp32``, ``tf32`` or ``bf16``.
        options: Of its task, beside those of the comparison.
        process: Contestants with the same side, precision and process share one, and take turns in it.
    """

    name: str
    side: str
    precision: str = "fp32"
    options: dict[str, Any] = field(default_factory=dict)
    process: str = "shared"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A task, and who takes turns at it; the first contestant is what the others are compared with.

    Attributes:
        what: One of `WHAT`.
        task: Name of the task in the drivers.
        options: Of the task, for every contestant.
        rounds: Rounds of blocks.
        samples: Samples of a block.
        image_scale: Size of the network's input as a fraction of 1200 x 1600; None: that of the benchmark.
    """

    what: str
    task: str
    contestants: tuple[Contestant, ...]
    options: dict[str, Any] = field(default_factory=dict)
    rounds: int = 4
    samples: int = 1
    image_scale: float | None = None


def make_plan(
    what: tuple[str, ...], *, device: str, batch_sizes: tuple[int, ...], precisions: tuple[str, ...], cores: int, legacy: bool
) -> list[Comparison]:
    """Return the comparisons of a benchmark, in the order of `WHAT`.

    Args:
        what: Some of `WHAT`.
        device: ``cpu`` or ``cuda``.
        batch_sizes: Of every task but Grad-CAM, which takes one image at a time. They come by size: the peak of a process's
            memory is then that of the batch at hand.
        precisions: Of the port; the legacy is what it is, float32 (and TF32 where that is asked for).
        cores: Of this machine: as many loader workers are tried.
        legacy: Whether the legacy is there.
    """
    setup = _Setup(device, tuple(sorted(batch_sizes)), precisions, cores)
    made = [comparison for name in WHAT if name in what for comparison in _MAKERS[name](setup)]
    return made if legacy else [_without_legacy(comparison) for comparison in made]


class _Setup(NamedTuple):
    """What `make_plan` is told."""

    device: str
    batch_sizes: tuple[int, ...]
    precisions: tuple[str, ...]
    cores: int


def _without_legacy(comparison: Comparison) -> Comparison:
    kept = tuple(contestant for contestant in comparison.contestants if contestant.side != "legacy")
    return replace(comparison, contestants=kept)


def _sides(precisions: tuple[str, ...], process: str = "shared") -> tuple[Contestant, ...]:
    """Return the legacy, and the port in each precision."""
    baselines = [name for name in precisions if name != "bf16"] or ["fp32"]
    legacy = [Contestant(name=f"legacy {name}", side="legacy", precision=name, process=process) for name in baselines]
    port = [Contestant(name=f"port {name}", side="port", precision=name, process=process) for name in precisions]
    return (*legacy, *port)


def _data(setup: _Setup) -> Iterator[Comparison]:
    counts = [count for count in (0, 1, 2, 4, 8, 16) if count <= setup.cores]
    port = [
        Contestant(
            name=f"port, {count} worker{'' if count == 1 else 's'}{', cached' if cached else ''}", side="port",
            options={"workers": count, "cached": cached},
        )
        for cached in (False, True)
        for count in counts
    ]  # fmt: skip
    contestants = (Contestant(name="legacy", side="legacy"), *port)
    yield Comparison(what="data", task="data", contestants=contestants, options={"batch_size": setup.batch_sizes[0]})


def _compute(setup: _Setup) -> Iterator[Comparison]:
    compiled = tuple(
        Contestant(name=f"port {name} compiled", side="port", precision=name, options={"compiled": True})
        for name in setup.precisions
    )
    for size in setup.batch_sizes:
        options = {"batch_size": size}
        yield Comparison(what="compute", task="training_step", contestants=_sides(setup.precisions), options=options, rounds=6)
        # Compiling takes as long as hundreds of batches: of several sizes the largest is measured.
        last = compiled if size == setup.batch_sizes[-1] else ()
        forward = (*_sides(setup.precisions), *last)
        yield Comparison(what="compute", task="forward", contestants=forward, options=options, rounds=6)


def _epoch(setup: _Setup) -> Iterator[Comparison]:
    augmented_there = tuple(
        Contestant(
            name=f"port {name}, augmented on the GPU", side="port", precision=name, process="epoch-augmented",
            options={"device_augmentation": True},
        )
        for name in setup.precisions
        if setup.device == "cuda"
    )  # fmt: skip
    for size in setup.batch_sizes:
        contestants = _sides(setup.precisions, process="epoch")  # of their own: for their memory
        yield Comparison(what="epoch", task="epoch", contestants=(*contestants, *augmented_there), options={"batch_size": size})


def _inference(setup: _Setup) -> Iterator[Comparison]:
    for size in setup.batch_sizes:
        yield Comparison(what="inference", task="predict", contestants=_sides(setup.precisions), options={"batch_size": size})


def _gradcam(setup: _Setup) -> Iterator[Comparison]:
    yield Comparison(what="gradcam", task="gradcam", contestants=_sides(("fp32",)))  # its one precision


def _self(setup: _Setup) -> Iterator[Comparison]:
    contestants = (
        Contestant(name="port", side="port", process="first"),
        Contestant(name="port again", side="port", process="second"),
        Contestant(name="port, 5 % slower", side="port", process="second", options={"slowdown": PLANTED_SLOWDOWN}),
    )
    yield Comparison(
        what="self", task="forward", contestants=contestants, options={"batch_size": setup.batch_sizes[0]}, rounds=112,
        image_scale=SELF_SCALE,
    )  # fmt: skip


_MAKERS = {
    "data": _data, "compute": _compute, "epoch": _epoch, "inference": _inference, "gradcam": _gradcam, "self": _self,
}  # fmt: skip
