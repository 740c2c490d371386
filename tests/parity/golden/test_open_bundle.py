"""A bundle that is whole but holds no run, or one that cannot be made again here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from parity import devices
from parity.architecture import tensors
from parity.artefact import RecordingWriter
from parity.cli import app
from parity.contract import CLASSES, RunSpec
from parity.errors import BadInputError
from parity.golden.bundle import pack
from parity.golden.guard import open_bundle
from parity.provenance import guard_words
from parity.workspace import Workspace

SPEC = RunSpec(
    data="/nowhere", data_sha256="", checkpoint="/nowhere", checkpoint_sha256="", resolution="20x", split="published",
    split_sha256="", splits=("val",), image_scale=0.08, images=None, profile="guard", arch="resnet50v2", device="cpu",
    gates=("blocks",),
)  # fmt: skip
DEEP = "[" * 100_000 + "]" * 100_000
FIRST = tensors(len(CLASSES))[0].legacy


def write_run(folder: Path, **values: object) -> None:
    """A run with no weights but what `values` say of them."""
    folder.mkdir()
    SPEC.write_json(folder / "spec.json")
    with RecordingWriter(folder / "tensors", key="key") as out:
        for name, value in {"seed": 17, "drawn": {}, "values": {}, **values}.items():
            out.write_value(name, value)


def open_it(tmp_path: Path) -> str:
    pack(tmp_path / "run", tmp_path / "golden.npz", {})
    with pytest.raises(BadInputError) as error:
        open_bundle(tmp_path / "golden.npz", Workspace(tmp_path / "opened"))
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


WRONG: dict[str, Callable[[Path], object]] = {
    "no specification": lambda run: (run / "spec.json").unlink(),
    "specification of nothing": lambda run: (run / "spec.json").write_text("null"),
    "specification of another run": lambda run: (run / "spec.json").write_text(json.dumps({**SPEC.to_dict(), "more": 1})),
    "specification that is not JSON": lambda run: (run / "spec.json").write_text("spec"),
    "specification that is deep": lambda run: (run / "spec.json").write_text(DEEP),
    "specification not in UTF-8": lambda run: (run / "spec.json").write_bytes(b'"\xff"'),
    "no weights": lambda run: (run / "tensors" / "manifest.json").unlink(),
    "weights that are deep": lambda run: (run / "tensors" / "manifest.json").write_text(DEEP),
    "no weights in the recording": lambda run: None,
}


@pytest.mark.parametrize("what", WRONG)
def test_a_bundle_is_refused_with(tmp_path: Path, what: str):
    write_run(tmp_path / "run")
    WRONG[what](tmp_path / "run")
    assert open_it(tmp_path).startswith("`golden bundle` must hold a whole run, got ")


@pytest.mark.parametrize(
    "values",
    [{"seed": None}, {"seed": "seventeen"}, {"seed": -1}, {"seed": 1.5}, {"drawn": None}, {"drawn": [FIRST]}],
    ids=str,
)
def test_a_bundle_is_refused_whose_weights_cannot_be_drawn(tmp_path: Path, values: dict[str, object]):
    write_run(tmp_path / "run", **{"drawn": {FIRST: "0" * 64}, **values})
    assert open_it(tmp_path).startswith("`golden bundle` must hold a whole run, got ")


def test_a_numpy_that_draws_other_kernels_is_refused(tmp_path: Path):
    write_run(tmp_path / "run", drawn={FIRST: "0" * 64})
    message = open_it(tmp_path)
    assert message.startswith("`numpy` must draw the kernels of the golden bundle (numpy PCG64 of ")
    assert f"another {FIRST} with numpy {np.__version__}" in message


def test_the_port_computes_on_the_device_asked_for(tmp_path: Path):
    """A bundle is of a CPU, and says so; the weights are looked at after that."""
    write_run(tmp_path / "run")
    pack(tmp_path / "run", tmp_path / "golden.npz", {})
    for words, device in (({}, "cpu"), ({"device": "cuda"}, "cuda")):
        workspace = Workspace(tmp_path / device)
        with pytest.raises(BadInputError, match="hold a whole run"):
            open_bundle(tmp_path / "golden.npz", workspace, **words)
        assert workspace.spec.device == device
        (workspace.folder / "golden.sha256").touch()
        assert guard_words(workspace.spec) == ["nox", "-s", "guard", *(["--", "--device", "cuda"] if words else [])]


def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(devices, "DEVICES", tmp_path)
    found = CliRunner().invoke(app, ["guard", "--device", "cuda", "--out", str(tmp_path / "run")])
    assert isinstance(found.exception, BadInputError)
    assert "use --device cpu" in str(found.exception)
    assert not (tmp_path / "run").exists()
