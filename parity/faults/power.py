"""Power: the smallest fault that each gate would have seen, found by bisection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from parity.faults.fault import Fault
from parity.faults.planting import Planter, edit
from parity.faults.pool import Workers
from parity.faults.runs import Base
from parity.faults.stages.commands import RUN
from parity.faults.stages.decode import READ
from parity.faults.stages.loss import WEIGHTED
from parity.faults.stages.optimizer import MAKE
from parity.faults.stages.weights import COPY, PLACE
from parity.lines import WorkerError
from parity.verdict import Verdict

SMALLEST, LARGEST = -56, 0  # powers of two: from below float64's resolution to a change by as much again


@dataclass(frozen=True, kw_only=True)
class PowerProbe:
    """A fault of any size, for one gate.

    Attributes:
        gate: The gate.
        sentence: What is changed by how much.
        plant: Amount -> what plants it.
        exact: The smallest change there is; it is tried alone.
    """

    gate: str
    sentence: str
    plant: Callable[[str], Planter]
    exact: bool = False

    def fault(self, amount: float) -> Fault:
        """Return the fault of this size."""
        return Fault(
            id=f"power_{self.gate}",
            stage="power",
            sentence=self.sentence,
            gates=(self.gate,),
            plants=(self.plant(repr(amount)),),
        )


def _scaled(where: str, text: str, new: str) -> Callable[[str], Planter]:
    return lambda amount: edit(where, (text, new.replace("AMOUNT", amount)))


_READ = ("data:LungHistDataset._read", '["image"]  #', '["image"] * np.float32(1 + AMOUNT)  #')
_PROBES = (
    PowerProbe(
        gate="config",
        sentence="relative change of the learning rate",
        plant=_scaled(MAKE, "lr=self.learning_rate", "lr=self.learning_rate * (1 + AMOUNT)"),
    ),
    PowerProbe(
        gate="numerics",
        sentence="relative noise of a prediction that is made twice",
        plant=_scaled(
            "model:Classifier.probabilities",
            "self.class_probabilities(self.hidden(images))",
            "self.class_probabilities(self.hidden(images)) * (1 + AMOUNT * torch.rand(()))",
        ),
    ),
    PowerProbe(
        gate="decode",
        sentence="levels in one channel of one pixel of a file",
        plant=_scaled(
            "images:read_image",
            READ,
            READ.replace("return ", "image = np.array(") + ")\n            image[0, 0, 0] ^= 1\n            return image",
        ),
        exact=True,
    ),
    PowerProbe(gate="preprocess", sentence="relative change of an evaluation image", plant=_scaled(*_READ)),
    PowerProbe(gate="augment", sentence="relative change of a training image", plant=_scaled(*_READ)),
    PowerProbe(
        gate="loader",
        sentence="relative change of the class weights",
        plant=_scaled("data:compute_weights", "float(weight)", "float(weight) * (1 + AMOUNT)"),
    ),
    PowerProbe(
        gate="weights",
        sentence="relative change of one kernel",
        plant=_scaled(PLACE, COPY, f'{COPY} * (1 + AMOUNT * (row.port == "conv4.block3.conv2.weight"))'),
    ),
    PowerProbe(
        gate="blocks",
        sentence="relative change of the last kernel of each block",
        plant=_scaled("model:Block.forward", "self.conv3(out)", "self.conv3(out) * (1 + AMOUNT)"),
    ),
    PowerProbe(
        gate="inference",
        sentence="relative change of the features that the head is fed",
        plant=_scaled("model:Classifier.hidden", "self.prev_dense(x)", "self.prev_dense(x * (1 + AMOUNT))"),
    ),
    PowerProbe(
        gate="loss",
        sentence="relative change of the training loss",
        plant=_scaled(WEIGHTED, ".mean()", ".mean() * (1 + AMOUNT)"),
    ),
    PowerProbe(
        gate="gradients",
        sentence="relative change of all gradients",
        plant=_scaled(
            "training_module:ClassifierTraining.training_step",
            "return loss * share_of_batch(labels)",
            "return loss * (1 + AMOUNT)",
        ),
    ),
    PowerProbe(
        gate="optimizer",
        sentence="relative change of Adam's step",
        plant=_scaled("optimizer:KerasAdam._update", "value=-learning_rate", "value=-learning_rate * (1 + AMOUNT)"),
    ),
    PowerProbe(
        gate="bn_state",
        sentence="relative change of batch norm's momentum",
        plant=_scaled("model:batch_norm", "BATCH_NORM_MOMENTUM", "BATCH_NORM_MOMENTUM * (1 + AMOUNT)"),
    ),
    PowerProbe(
        gate="schedule",
        sentence="relative change of a lowered learning rate",
        plant=_scaled(
            "schedule:ReduceLROnPlateau.update", "learning_rate * self.factor", "learning_rate * self.factor * (1 + AMOUNT)"
        ),
    ),
    PowerProbe(
        gate="commands",
        sentence="relative change of the learning rate that is passed on",
        plant=_scaled(RUN, "learning_rate=options.learning_rate", "learning_rate=options.learning_rate * (1 + AMOUNT)"),
    ),
    PowerProbe(
        gate="lockstep",
        sentence="relative change of the learning rate",
        plant=_scaled(MAKE, "lr=self.learning_rate", "lr=self.learning_rate * (1 + AMOUNT)"),
    ),
    PowerProbe(
        gate="metrics",
        sentence="relative change of every figure",
        plant=_scaled("metrics:CountMetric.compute", "self.value(self.counts)", "self.value(self.counts) * (1 + AMOUNT)"),
    ),
    PowerProbe(
        gate="decisions",
        sentence="relative change of the probabilities that `evaluate` writes",
        plant=_scaled("evaluate:write_rows", "{value:.9g}", "{value * (1 + AMOUNT):.9g}"),
    ),
    PowerProbe(
        gate="gradcam",
        sentence="change of one cell of a map, relative to its largest",
        plant=_scaled(
            "gradcam:raw_gradcam_heatmap",
            "return raw[0, 0].detach().cpu().numpy()",
            "found = raw[0, 0].detach().cpu().numpy()\n    found[0, 0] += AMOUNT * abs(found).max()\n    return found",
        ),
    ),
)
PROBES: Mapping[str, PowerProbe] = {probe.gate: probe for probe in _PROBES}


def find_smallest(base: Base, gate: str, workers: Workers) -> dict[str, Any]:
    """Return the smallest power of two (of the exact probes: the one change there is) at which the gate fails.

    A gate that sees a fault is taken to see every larger one.
    """
    probe = PROBES[gate]
    row: dict[str, Any] = {"gate": gate, "sentence": probe.sentence, "exact": probe.exact}
    try:
        if not is_seen(base, gate, 1.0, workers):
            return {**row, "smallest": None}
        if probe.exact:
            return {**row, "smallest": 1.0}
        unseen, seen = SMALLEST, LARGEST
        while seen - unseen > 1:
            middle = (seen + unseen) // 2
            seen, unseen = (middle, unseen) if is_seen(base, gate, 2.0**middle, workers) else (seen, middle)
    except WorkerError as error:
        return {**row, "smallest": None, "verdict": Verdict.NOT_RUN.value, "reason": str(error)}
    return {**row, "smallest": 2.0**seen}


def is_seen(base: Base, gate: str, amount: float, workers: Workers) -> bool:
    """Return whether the gate alone fails with a fault of this size."""
    with base.planted(PROBES[gate].fault(amount), {"id": gate, "amount": amount}, workers) as planted:
        seen = planted.ask(gate).verdict is Verdict.FAIL
    if raised := next(iter(planted.raised.values()), None):
        raise WorkerError(f"the change raises {raised['chain'][0]['said']}")
    return seen
