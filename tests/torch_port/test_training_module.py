"""Steps and epochs of the module without a trainer, against numpy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, matthews_corrcoef
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from torch_port.model import ResNet50V2
from torch_port.optimizer import KerasAdam
from torch_port.training_module import LEARNING_RATE, ClassifierTraining, share_of_batch

WEIGHTS = torch.tensor([0.5, 1.0, 2.5])
BATCHES = [4, 3]  # images


@pytest.fixture
def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.eye(3).repeat(3, 1)[:7]
    return list(zip(torch.randn(7, 3, generator=generator).split(BATCHES), labels.split(BATCHES), strict=True))


def probabilities_of(batches: list[tuple[torch.Tensor, torch.Tensor]]) -> tuple[np.ndarray, np.ndarray]:
    logits = torch.cat([logits for logits, _ in batches]).double().numpy()
    exponentials = np.exp(logits)
    labels = torch.cat([labels for _, labels in batches]).argmax(1).numpy()
    return exponentials / exponentials.sum(axis=1, keepdims=True), labels


def test_figures_of_an_epoch_are_those_of_all_its_images(batches):
    module = ClassifierTraining(nn.Identity(), WEIGHTS)
    for _ in range(2):  # the second epoch must not know the first
        for index, batch in enumerate(batches):
            module.training_step(batch, index)
        for index, batch in enumerate(batches[::-1]):
            module.validation_step(batch, index)
        module.on_validation_epoch_end()
    probabilities, labels = probabilities_of(batches)
    losses = -np.log(probabilities[range(7), labels])
    assert module.logs["loss"] == pytest.approx((losses * WEIGHTS.numpy()[labels]).mean(), rel=1e-6)
    assert module.logs["val_loss"] == pytest.approx(log_loss(labels, probabilities), rel=1e-6)
    for prefix in ("", "val_"):
        predicted = probabilities.argmax(axis=1)
        assert module.logs[prefix + "metrics/accuracy"] == pytest.approx((predicted == labels).mean())
        assert module.logs[prefix + "metrics/MCC"] == pytest.approx(matthews_corrcoef(labels, predicted), abs=1e-6)
    names = [name.removeprefix("val_") for name in module.logs]
    assert len(names) == 22
    assert names[:11] == names[11:]


def test_a_step_returns_the_weighted_loss_and_its_gradient(batches):
    model = nn.Linear(3, 3).double()
    logits, labels = batches[0]
    ClassifierTraining(model, WEIGHTS).training_step((logits.double(), labels), 0).backward()
    probabilities, classes = probabilities_of([(model(logits.double()).detach(), labels)])
    by_hand = (probabilities - labels.numpy()) * WEIGHTS.numpy()[classes][:, None] / len(classes)
    assert model.bias.grad.numpy() == pytest.approx(by_hand.sum(axis=0), rel=1e-12)


def test_dropout_depends_on_the_seed_and_the_batch_alone(batches):
    def masks(seed: int | None) -> list[list[float]]:
        dropout = nn.Dropout(0.5)
        seen = []
        dropout.register_forward_hook(lambda _, inputs, outputs: seen.append((outputs == 0).flatten().tolist()))
        module = ClassifierTraining(dropout, WEIGHTS, seed=seed)
        for index in (0, 1, 1):
            torch.rand(seed or 0)  # what others draw does not matter
            module.training_step((torch.ones(9, 3), torch.eye(3).repeat(3, 1)), index)
        return seen

    assert masks(5)[1] == masks(5)[2]
    assert masks(5) == masks(5)
    assert masks(5)[0] != masks(5)[1]
    assert masks(5)[0] != masks(6)[0]
    assert masks(None)[1] != masks(None)[2]


def test_every_epoch_and_every_process_drops_other_units(monkeypatch):
    place = {"current_epoch": 0, "global_rank": 0}
    for name in place:
        monkeypatch.setattr(ClassifierTraining, name, property(lambda self, name=name: place[name]))
    module, seen = ClassifierTraining(nn.Dropout(0.5), WEIGHTS, seed=5), set()
    module.model.register_forward_hook(lambda _, inputs, outputs: seen.add(tuple((outputs == 0).flatten().tolist())))
    for place["current_epoch"] in range(3):
        for place["global_rank"] in range(2):
            for index in range(3):
                module.training_step((torch.ones(9, 3), torch.eye(3).repeat(3, 1)), index)
    assert len(seen) == 3 * 2 * 3


def test_a_network_that_has_diverged_is_counted(batches):
    module = ClassifierTraining(nn.Identity(), WEIGHTS)
    logits, labels = batches[0]
    module.training_step((logits * float("nan"), labels), 0)
    module.validation_step((logits, labels), 0)
    module.on_validation_epoch_end()
    assert np.isnan(module.logs["loss"])
    assert module.logs["metrics/recall"] == 0
    assert np.isfinite(module.logs["val_loss"])


def test_every_tensor_is_trained_by_adam_as_in_keras():
    module = ClassifierTraining(nn.Linear(3, 3), WEIGHTS)
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, KerasAdam)
    (group,) = optimizer.param_groups
    assert list(map(id, group["params"])) == list(map(id, module.model.parameters()))
    assert group["lr"] == pytest.approx(LEARNING_RATE)


def test_only_the_network_goes_into_a_checkpoint():
    assert list(ClassifierTraining(nn.Linear(3, 3), WEIGHTS).state_dict()) == ["model.weight", "model.bias"]


def test_one_process_has_the_whole_batch():
    assert share_of_batch(torch.ones(3, 3)) == 1.0


class HostReads(TorchDispatchMode):
    """Keeps the operations whose result, or its size, the host has to know: on a GPU each of them makes it wait."""

    NAMES = ("_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "bincount", "_unique2", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.partition(".")[0]
        masked = name == "index" and any(index is not None and index.dtype == torch.bool for index in args[1])
        self.found += [name] if name in self.NAMES or masked else []
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "question",
    [
        lambda numbers: numbers.sum().item(),
        lambda numbers: bool(numbers.sum() > 3),
        lambda numbers: numbers[numbers > 1],
        lambda numbers: torch.bincount(numbers, minlength=9),
    ],
)
def test_a_question_to_the_device_is_seen(question):
    with HostReads() as reads:
        question(torch.arange(4))
    assert len(reads.found) == 1


def test_a_step_asks_the_device_for_no_number():
    """The benchmark asks torch itself on a GPU (`find_host_waits`); without one, these are the operations that would wait."""
    training = ClassifierTraining(ResNet50V2(3), torch.ones(3), seed=0).train()
    optimizer = training.configure_optimizers()
    batch = torch.rand(3, 3, 64, 96), torch.eye(3)
    with HostReads() as reads:
        for index in range(2):
            loss = training.training_step(batch, index)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        training.validation_step(batch, 0)
    assert reads.found == []
