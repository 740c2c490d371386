"""Each well-known mistake of a training, made in a copy of the port, must FAIL at its gate and at no earlier one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from parity.contract import GATES

from .conftest import Finished, Project, copy_run, run_parity


@dataclass(frozen=True)
class Mistake:
    """An edit of the port, the gate that must fail, and what `config` must name, if it can know."""

    file: str
    old: str
    new: str
    gate: str
    named: str = ""


MISTAKES = {
    "epsilon 1e-8": Mistake(
        "optimizer.py", "epsilon: float = 1e-7,", "epsilon: float = 1e-8,", "optimizer", "training/optimizer/epsilon"
    ),
    "textbook bias corrections": Mistake(
        "optimizer.py", "(number(np.float32(group[name])) for name", "(number(group[name]) for name", "optimizer"
    ),
    "loss divided by the sum of weights": Mistake(
        "losses.py",
        "return (losses * class_weights.to(losses)[labels.argmax(dim=1)]).mean()",
        "weights = class_weights.to(losses)[labels.argmax(dim=1)]\n    return (losses * weights).sum() / weights.sum()",
        "loss",
    ),
    "validation loss weighted": Mistake(
        "training_module.py",
        "validation_loss(logits, labels))",
        "class_weighted_loss(logits, labels, self.class_weights))",
        "loss",
    ),
    "batch norm momentum 0.1": Mistake(
        "model.py", "BATCH_NORM_MOMENTUM = 0.01", "BATCH_NORM_MOMENTUM = 0.1", "bn_state", "network/conv2/block1/bn1/momentum"
    ),
    "plateau patience off by one": Mistake(
        "schedule.py", "if self.wait >= self.patience and learning_rate", "if self.wait > self.patience and learning_rate",
        "schedule",
    ),
    "early stopping patience off by one": Mistake(
        "schedule.py", "return self.wait >= max(self.patience, 1)", "return self.wait > max(self.patience, 1)",
        "schedule",
    ),
    "relative plateau threshold": Mistake(
        "schedule.py", "if val_loss < self.best - self.min_delta:", "if val_loss < self.best * (1 - self.min_delta):",
        "schedule",
    ),
    "missing zero_grad": Mistake(
        "training_module.py",
        "    def configure_optimizers(",
        "    def optimizer_zero_grad(self, *_: object) -> None:\n        pass\n\n    def configure_optimizers(",
        "lockstep",
    ),
    "exact AUC": Mistake(
        "metrics.py",
        'CountMetric(functions.count_steps, functions.mean_area_of_steps, (*steps, num_classes))',
        "RocAuc()",
        "metrics",
    ),
    "normalised grid distortion": Mistake(
        "transforms.py", "A.GridDistortion(p=0.2)", "A.GridDistortion(p=0.2, normalized=True)", "augment",
        "data/train/transforms",
    ),
    "cloned streams of epochs": Mistake(
        "order.py", "derive_seed(seed, epoch, 1 + index)", "derive_seed(seed, 0, 1 + index)", "augment"
    ),
    "cloned streams of images": Mistake(
        "order.py", "derive_seed(seed, epoch, 1 + index)", "derive_seed(seed, epoch, 1)", "augment"
    ),
}  # fmt: skip
# Asked of one gate alone, `config` left out.
ALONE = ("validation loss weighted",)


def gates_until(last: str) -> list[str]:
    names = list(GATES)
    skipped = {"freeze", "throughput", "training"}
    return [name for name in names[: names.index(last) + 1] if name not in skipped]


def run_mistake(project: Project, baseline: Finished, words, tmp_path: Path, mistake: Mistake, gates: list[str]) -> Finished:
    project.edit(f"torch_port/{mistake.file}", mistake.old, mistake.new)
    folder = copy_run(baseline.folder, tmp_path / "run")
    finished = run_parity(folder, [*words, "--gates", ",".join(gates)], project=project.folder)
    assert finished.code == 1, finished.stdout + finished.stderr
    return finished


@pytest.mark.slow
@pytest.mark.parametrize("name", ALONE)
def test_a_mistake_fails_at_its_gate_alone(project: Project, baseline: Finished, words, tmp_path: Path, name: str):
    mistake = MISTAKES[name]
    finished = run_mistake(project, baseline, words, tmp_path, mistake, [mistake.gate])
    assert finished.report["place"]["gate"] == mistake.gate


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_fails_at_its_gate_and_at_none_before(
    project: Project, training_baseline: Finished, words, tmp_path: Path, name: str
):
    mistake = MISTAKES[name]
    finished = run_mistake(project, training_baseline, words, tmp_path, mistake, gates_until(mistake.gate))
    verdicts = finished.verdicts()
    assert finished.report["place"]["gate"] == mistake.gate, verdicts
    config = finished.gate("config")
    if mistake.named:
        assert mistake.named in config["checks"][0]["worst"] or mistake.named.rpartition("/")[2] in config["checks"][0]["worst"]
        assert config["verdict"] == "FAIL"
    else:
        assert config["verdict"] == "PASS"
    print(f"{os.linesep}{name}: {finished.report['place']['words']}")


@pytest.fixture(scope="session")
def training_baseline(tmp_path_factory: pytest.TempPathFactory, words: list[object]) -> Finished:
    """A run of the correct port with every gate."""
    folder = tmp_path_factory.mktemp("runs") / "training"
    finished = run_parity(folder, [*words, "--gates", ",".join(gates_until("metrics"))])
    assert set(finished.verdicts().values()) <= {"PASS", "NOT_RUN"}, finished.stdout
    return finished
