"""``python -m torch_port predict`` from outside: what it writes and says, killed and taken up again, misused."""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from parity.predictions import read_predictions
from tests.torch_port.command_processes import start, wait_until
from torch_port import evaluate, gradcam, predict
from torch_port.__main__ import main
from torch_port.errors import InputError
from torch_port.inference import make_predictor
from torch_port.predict import find_images, make_visible
from torch_port.prediction_table import begin_table, open_table
from torch_port.weights import load_checkpoint, write_safetensors

pytestmark = pytest.mark.usefixtures("one_thread")
SCALE = 0.05
SMALL = ("--image-scale", str(SCALE), "--device", "cpu")
# In the order of the rows.
NAMES = ('"quote".jpg', "a,comma.JPG", "b/deeper/new\nline.jpeg", "c 'é' \u202e日本.Jpg", "d.e.jpg")


def words_of(folder: Path, checkpoint: Path, out: Path, *more: str) -> list[str]:
    return ["predict", str(folder), "--checkpoint", str(checkpoint), "--out", str(out), *SMALL, *more]


def names_in(out: Path) -> list[str]:
    with out.open(newline="", encoding="utf-8") as file:
        return [row["image"] for row in csv.DictReader(file)]


def contents_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def folder(write_image: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images under difficult names; no test changes it."""
    folder = tmp_path_factory.mktemp("images")
    for seed, name in enumerate(NAMES):
        write_image(folder / name, seed)
    return folder


@pytest.fixture(scope="module")
def predicted(folder: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an uninterrupted run, image by image, with maps; no test changes it."""
    results = tmp_path_factory.mktemp("predicted")
    options = ["--batch-size", "1", "--gradcam", str(results / "maps")]
    assert main(words_of(folder, checkpoint, results / "new folder" / "predictions.csv", *options)) == 0
    return results / "new folder" / "predictions.csv"


def test_the_numbers_are_those_of_evaluate_and_of_the_model_in_float64(data_set, checkpoint, model64, tmp_path, capsys):
    assert main(words_of(data_set / "images", checkpoint, tmp_path / "p.csv", "--batch-size", "5", "--workers", "1")) == 0
    said = capsys.readouterr()
    assert said.out == f"wrote 12 predictions to {tmp_path / 'p.csv'}; skipped 0 images that could not be read or predicted\n"
    assert "predict: 100%" in said.err
    options = ["--data", str(data_set), "--checkpoint", str(checkpoint), "--splits", "train,val,test", *SMALL]
    assert main(["evaluate", *options, "--out", str(tmp_path)]) == 0
    found, evaluated = read_predictions(tmp_path / "p.csv"), read_predictions(tmp_path / "predictions.csv")
    assert found.keys() == evaluated.keys()
    for path in (data_set / "images").rglob("*.jpg"):
        with Image.open(path) as file, torch.no_grad():
            image = torch.from_numpy(cv2.resize(np.asarray(file), (80, 60)) / 255).permute(2, 0, 1)[None]
            exact = model64.probabilities(image)[0].tolist()
        assert found[path.name] == pytest.approx(evaluated[path.name], abs=1e-6)
        assert found[path.name] == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("scale", [0.04, 0.08])
def test_images_have_the_size_that_was_asked_for(folder, checkpoint, model64, tmp_path, scale):
    assert main([*words_of(folder, checkpoint, tmp_path / "p.csv"), "--image-scale", str(scale), "--batch-size", "5"]) == 0
    found = read_predictions(tmp_path / "p.csv")
    with Image.open(folder / NAMES[0]) as file, torch.no_grad():
        levels = cv2.resize(np.asarray(file), (int(1600 * scale), int(1200 * scale))) / 255
        exact = model64.probabilities(torch.from_numpy(levels).permute(2, 0, 1)[None])[0].tolist()
    assert found[NAMES[0]] == pytest.approx(exact, abs=1e-6)


def test_names_may_be_anything_that_a_row_can_hold(predicted):
    assert list(read_predictions(predicted)) == [Path(name).name for name in NAMES]
    assert predicted.read_text(encoding="utf-8").startswith('image,aca,nor,scc\n"""quote"".jpg",0.')


def test_what_is_hidden_or_of_another_kind_is_left_out(folder, write_image, tmp_path):
    shutil.copytree(folder, tmp_path / "images")
    for name in (".hidden.jpg", ".cache/in hidden.jpg", "b/.git/deeper/in hidden too.jpg", "note.txt", "jpg"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not read")
    (tmp_path / "images" / "folder.jpg").mkdir()
    (tmp_path / "images" / "back").symlink_to(tmp_path / "images")
    assert find_images(tmp_path / "images") == [tmp_path / "images" / name for name in NAMES]


def test_maps_are_those_of_gradcam(data_set, checkpoint, tmp_path):
    maps = tmp_path / "maps"
    assert main(words_of(data_set / "images", checkpoint, tmp_path / "p.csv", "--gradcam", str(maps))) == 0
    options = ["--data", str(data_set), "--checkpoint", str(checkpoint), "--splits", "train,val,test", *SMALL]
    assert main(["gradcam", *options, "--samples", "12", "--out", str(tmp_path / "gradcam")]) == 0
    with np.load(tmp_path / "gradcam" / "raw_maps.npz", allow_pickle=False) as file:
        expected = {name: (raw, predicted) for name, raw, predicted in zip(*file.values(), strict=True)}
    overlays = {path.name[4:]: path for path in (tmp_path / "gradcam").glob("*.png")}
    assert sorted(path.name for path in maps.glob("*.png")) == sorted(overlays)
    for name, probabilities in read_predictions(tmp_path / "p.csv").items():
        stem = Path(name).stem
        with np.load(maps / f"{stem}.npz", allow_pickle=False) as file:
            assert sorted(file) == ["predicted", "raw"]
            assert file["predicted"] == np.argmax(probabilities) == expected[name][1]
            assert np.array_equal(file["raw"], expected[name][0])
        with Image.open(maps / f"{stem}.png") as found, Image.open(overlays[f"{stem}.png"]) as overlay:
            assert found.size == (80, 60)
            assert np.array_equal(np.asarray(found), np.asarray(overlay))


def test_a_map_explains_the_class_that_the_row_says(folder, checkpoint, tmp_path, monkeypatch):
    """Grad-CAM is fed pixels of its own, which may be of another class."""
    rows = [[0.2, 0.1, 0.7], [0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.1, 0.3, 0.6], [0.4, 0.5, 0.1]]
    monkeypatch.setattr(predict, "make_predictor", lambda *_, **__: lambda images: torch.tensor(rows))
    assert main(words_of(folder, checkpoint, tmp_path / "p.csv", "--gradcam", str(tmp_path))) == 0
    model = evaluate.prepare_model(load_checkpoint(checkpoint), torch.device("cpu"))
    for name, row in zip(NAMES, rows, strict=True):
        image = gradcam.get_img_array(folder / name, (60, 80))
        with np.load(tmp_path / f"{Path(name).stem}.npz", allow_pickle=False) as file:
            assert file["predicted"] == np.argmax(row)
            assert np.array_equal(file["raw"], gradcam.raw_gradcam_heatmap(image, model, pred_index=int(np.argmax(row))))


def test_bfloat16(folder, predicted, checkpoint, tmp_path):
    options = ["--precision", "bf16-mixed", "--gradcam", str(tmp_path / "maps"), "--batch-size", "2"]
    assert main(words_of(folder, checkpoint, tmp_path / "p.csv", *options)) == 0
    found = np.array(list(read_predictions(tmp_path / "p.csv").values()), dtype=np.float32)
    exact = np.array(list(read_predictions(predicted).values()), dtype=np.float32)
    error = np.abs(found - exact).max()
    assert 1e-5 < error < 0.05
    assert np.abs(found.sum(axis=1) - 1).max() < 1e-6
    assert not np.array_equal(found, torch.from_numpy(found).bfloat16().float().numpy())  # softmax is in float32
    with np.load(tmp_path / "maps" / "d.e.npz") as file:
        assert file["raw"].dtype == np.float32


def test_rows_are_there_before_the_next_batch(folder, checkpoint, tmp_path, monkeypatch):
    seen = []

    def count_rows(images: torch.Tensor) -> torch.Tensor:
        seen.append((len(images), len(names_in(tmp_path / "p.csv"))))
        return torch.full((len(images), 3), 1 / 3)

    monkeypatch.setattr(predict, "make_predictor", lambda *_, **__: count_rows)
    assert main(words_of(folder, checkpoint, tmp_path / "p.csv", "--batch-size", "2")) == 0
    assert seen == [(2, 0), (2, 2), (1, 4)]


def test_a_row_is_written_after_its_map(folder, checkpoint, tmp_path, monkeypatch):
    write_rows, written = evaluate.write_rows, []

    def check_maps(file: Any, rows: list[tuple[Path, list[float]]]) -> None:
        for path, _ in rows:
            with Image.open(tmp_path / f"{path.stem}.png") as overlay, np.load(tmp_path / f"{path.stem}.npz") as raw:
                overlay.load()
                written.append(raw["raw"].shape)
        write_rows(file, rows)

    monkeypatch.setattr(evaluate, "write_rows", check_maps)
    assert main(words_of(folder, checkpoint, tmp_path / "p.csv", "--batch-size", "2", "--gradcam", str(tmp_path))) == 0
    assert written == [(2, 3)] * len(NAMES)


def test_bad_images_are_named_skipped_and_tried_again(folder, predicted, checkpoint, write_image, tmp_path, capsys):
    images, out = tmp_path / "images", tmp_path / "p.csv"
    shutil.copytree(folder, images)
    write_image(images / "small.jpg", size=(300, 400))
    Image.new("L", (1600, 1200)).save(images / "grey.jpg")
    Image.new("RGB", (1600, 1200)).save(images / "png.jpg", "PNG")
    (images / "empty.jpg").touch()
    (images / "gone.jpg").symlink_to("nowhere")
    cut = images / "0 cut\x1b[31m\u202e.jpg"
    cut.write_bytes((images / NAMES[0]).read_bytes()[:9000])
    options = words_of(images, checkpoint, out, "--batch-size", "1", "--workers", "1")
    assert main(options) == 1
    said = capsys.readouterr()
    assert said.out == f"wrote 5 predictions to {out}; skipped 6 images that could not be read or predicted\n"
    lines = [line.strip() for line in said.err.replace("\r", "\n").splitlines() if line.strip().startswith("skipped")]
    truncated = lines.pop(0)
    assert truncated.startswith(r"skipped 0 cut\x1b[31m\u202e.jpg: image file is truncated")
    assert lines == [
        "skipped empty.jpg: not an image",
        "skipped gone.jpg: No such file or directory",
        "skipped grey.jpg: of mode L (grey)",
        "skipped png.jpg: a PNG file",
        "skipped small.jpg: of size 300 x 400",
    ]
    assert out.read_bytes() == predicted.read_bytes()

    shutil.copy(images / NAMES[0], cut)
    for name in ("small", "grey", "png", "empty"):
        (images / f"{name}.jpg").unlink()
    assert main(options) == 1
    assert capsys.readouterr().out == (
        f"wrote 1 prediction to {out} beside 5 that were there; skipped 1 image that could not be read or predicted\n"
    )
    again = out.read_bytes().removeprefix(predicted.read_bytes()).decode()
    assert again == predicted.read_text(encoding="utf-8").splitlines()[1].replace('"""quote"".jpg"', cut.name) + "\n"
    (images / "gone.jpg").unlink()
    assert main(options) == 0
    assert len(names_in(out)) == 6


def test_images_that_vanish_are_skipped(folder, checkpoint, tmp_path, capsys, monkeypatch):
    """One before it is predicted, one between that and its map."""
    images = tmp_path / "images"
    shutil.copytree(folder, images)

    def remove_two(images_of_batch: torch.Tensor) -> torch.Tensor:
        for name in (NAMES[1], NAMES[2]):
            (images / name).unlink(missing_ok=True)
        return torch.full((len(images_of_batch), 3), 1 / 3)

    monkeypatch.setattr(predict, "make_predictor", lambda *_, **__: remove_two)
    options = ["--batch-size", "2", "--gradcam", str(tmp_path / "maps")]
    assert main(words_of(images, checkpoint, tmp_path / "p.csv", *options)) == 1
    said = capsys.readouterr()
    assert "skipped a,comma.JPG: No such file or directory" in said.err
    assert r"skipped new\nline.jpeg: No such file or directory" in said.err
    assert "wrote 3 predictions" in said.out
    assert names_in(tmp_path / "p.csv") == [NAMES[0], *NAMES[3:]]
    mapped = {path.stem for path in (tmp_path / "maps").iterdir() if not path.name.startswith(".torch_port")}
    assert mapped == {Path(name).stem for name in (NAMES[0], *NAMES[3:])}


def test_a_folder_of_bad_images_only(tmp_path, checkpoint, capsys):
    (tmp_path / "x.jpg").write_text("no image")
    assert main(words_of(tmp_path, checkpoint, tmp_path / "p.csv")) == 1
    assert (tmp_path / "p.csv").read_text() == "image,aca,nor,scc\n"
    assert "wrote 0 predictions" in capsys.readouterr().out


def test_killed_it_goes_on_where_it_was(folder, predicted, checkpoint, tmp_path, capsys):
    out, maps = tmp_path / "p.csv", tmp_path / "maps"
    options = words_of(folder, checkpoint, out, "--batch-size", "1", "--workers", "1", "--gradcam", str(maps))
    process = start(*options)
    wait_until(process, lambda: out.exists() and len(names_in(out)) >= 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    there = names_in(out)
    assert there == [Path(name).name for name in NAMES[: len(there)]]
    for name in there:
        with Image.open(maps / f"{Path(name).stem}.png") as overlay, np.load(maps / f"{Path(name).stem}.npz") as raw:
            overlay.load()
            assert raw["raw"].ndim == 2
    with out.open("ab") as file:
        file.write(b'"torn\n\xe6')
    assert main(options) == 0
    assert f" beside {len(there)} that were there; skipped 0" in capsys.readouterr().out
    assert out.read_bytes() == predicted.read_bytes()
    maps_of_all = {Path(name).name: content for name, content in contents_of(predicted.parents[1] / "maps").items()}
    assert {Path(name).name: content for name, content in contents_of(maps).items()} == maps_of_all


def test_a_row_that_was_not_written_to_its_end_is_cut_off(predicted, tmp_path):
    """At every byte at which the writing can have ended."""
    out, whole = tmp_path / "p.csv", predicted.read_bytes()
    settings, images = {"arch": "resnet50v2"}, [Path(name).name for name in NAMES]
    assert begin_table(out, settings, images) == set()
    header = out.read_bytes()
    ends = [len(header)]  # of the rows
    for name in NAMES:
        numbers = whole.index(b",0.", whole.index(Path(name).stem.replace('"', '""').encode(), ends[-1]))
        ends.append(whole.index(b"\n", numbers) + 1)
    assert ends[-1] == len(whole)
    for length in range(len(header), len(whole) + 1):
        out.write_bytes(whole[:length])
        rows = sum(end <= length for end in ends[1:])
        assert begin_table(out, settings, images) == set(images[:rows])
        assert out.read_bytes() == whole[: ends[rows]]


def test_a_full_disk_is_bad_input_and_nothing_is_lost(folder, predicted, checkpoint, tmp_path, capsys):
    out = tmp_path / "p.csv"
    options = words_of(folder, checkpoint, out, "--batch-size", "1")
    assert main(options) == 0
    out.write_text("image,aca,nor,scc\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (predicted.stat().st_size - 70, hard))
    try:
        assert main(options) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said = capsys.readouterr().err
    assert f"error: `out` must be a place that can be written, got File too large in {out}; make room" in said
    assert "Traceback" not in said
    assert out.read_bytes().endswith(b"\n"), "a row that is not whole"
    assert main(options) == 0
    assert out.read_bytes() == predicted.read_bytes()


def test_a_finished_file_stays_as_it_is(folder, checkpoint, tmp_path, capsys):
    options = words_of(folder, checkpoint, tmp_path / "p.csv")
    assert main(options) == 0
    before = contents_of(tmp_path)
    assert main(options) == 0
    assert contents_of(tmp_path) == before
    assert "wrote 0 predictions" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--image-scale", "0.06"], "`image_scale` must be 0.05 as when predictions.csv was begun, got 0.06 in "),
        (["--precision", "bf16-mixed"], "`precision` must be '32-true' as when"),
        (["--checkpoint", "other.safetensors"], "`checkpoint_sha256` must be '"),
        (["--gradcam", "elsewhere"], "`gradcam` must be '"),
    ],
)
def test_other_settings_are_refused(options, message, folder, predicted, checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "--checkpoint" in options:
        write_safetensors(load_checkpoint(checkpoint), Path("other.safetensors"), {"arch": "resnet50v2"})
    before = contents_of(predicted.parent)
    usual = ["--gradcam", str(predicted.parents[1] / "maps")]
    assert main(words_of(folder, checkpoint, predicted, *usual, *options)) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {message}")
    assert said.endswith("give the same options again, or choose another --out\n")
    assert contents_of(predicted.parent) == before


def test_another_folder_is_refused(folder, predicted, checkpoint, tmp_path, capsys):
    """Its images may have the same names."""
    shutil.copytree(folder, tmp_path / "images")
    usual = ["--gradcam", str(predicted.parents[1] / "maps")]
    assert main(words_of(tmp_path / "images", checkpoint, predicted, *usual)) == 2
    assert capsys.readouterr().err.startswith(f"error: `images` must be '{folder}' as when")


SETTINGS = {"arch": "resnet50v2"}


@pytest.mark.parametrize(
    ("table", "beside", "message"),
    [
        ("image,aca,nor,scc\n", None, "got no settings in p.csv.json ("),
        ("image,aca,nor,scc\n", "[", "got no settings in p.csv.json ("),
        ("image,aca,nor,scc\n", "3", "got no settings in p.csv.json ("),
        ("image,aca,nor,scc\n", "{}", "`arch` must be None as when p.csv was begun, got 'resnet50v2'"),
        ("image,aca,nor\n", SETTINGS, r"got the header ['image', 'aca', 'nor'] in "),
        ("", SETTINGS, "got the header None"),
        ("image,aca,nor,scc\na.jpg,1,0\nb.jpg,1,0,0\n", SETTINGS, "got the row ['a.jpg', '1', '0']"),
        ("image,aca,nor,scc\na.jpg,0.50,0.25,0.25\n", SETTINGS, "got the row ['a.jpg', '0.50', '0.25', '0.25']"),
        ("image,aca,nor,scc\na.jpg,0.5,0.25,1.25\n", SETTINGS, "got the row ['a.jpg', '0.5', '0.25', '1.25']"),
        (b"image,aca,nor,scc\n\xff.jpg,1,0,0\n", SETTINGS, "'utf-8' codec can't decode"),
    ],
)
def test_a_file_of_another_kind_is_refused(table, beside, message, tmp_path):
    out = tmp_path / "p.csv"
    out.write_bytes(table if isinstance(table, bytes) else table.encode())
    if beside is not None:
        (tmp_path / "p.csv.json").write_text(json.dumps(beside) if isinstance(beside, dict) else beside)
    before = contents_of(tmp_path)
    with pytest.raises(InputError) as caught:
        begin_table(out, SETTINGS, [])
    assert message in caught.value.text()
    assert caught.value.text().endswith("choose another --out")
    assert contents_of(tmp_path) == before


def test_a_table_without_rows_that_was_there_before_stays(tmp_path):
    out = tmp_path / "p.csv"
    begin_table(out, SETTINGS, [])
    before = contents_of(tmp_path)
    with pytest.raises(KeyboardInterrupt), open_table(out, SETTINGS, []):
        raise KeyboardInterrupt
    assert contents_of(tmp_path) == before


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ([], [], "`images` must be .jpg or .jpeg files, got none in "),
        (["x.png", ".a.jpg"], [], "`images` must be .jpg or .jpeg files, got none in "),
        (["x.jpg", "b\x1b/x.jpg", "c.jpg"], [], "`images` must have names of their own, which a CSV file can hold, got 1 o"),
        (["x.jpg", "x.JPEG"], ["--gradcam", "maps"], "`images` must have names of their own, suffix aside, for their maps"),
        (["a\rb.jpg"], [], "`images` must have names of their own"),
        ([b"caf\xe9.jpg"], [], "`images` must have names of their own"),
        (["x.jpg"], ["--image-scale", "2"], "`image_scale` must give images of 32 to 1200 rows, got 2.0"),
        (["x.jpg"], ["--batch-size", "0"], "`batch_size` must be at least 1"),
        (["x.jpg"], ["--checkpoint", "no.safetensors"], "`checkpoint` must be a whole safetensors file"),
        (["x.jpg"], ["--arch", "torchvision_resnet50"], "`arch` must be resnet50v2, which the file is for"),
        (["x.jpg"], ["--device", "cuda"], "`device` must be one that this machine has"),
        (["x.jpg"], ["--gradcam", "images/x.jpg"], "`gradcam` must be a folder that can be made, got File exists in images/x"),
        (["x.jpg"], ["--out", "images/x.jpg/p.csv"], "`out` must be a folder that can be made, got File exists in "),
        (["x.jpg"], ["--out", "."], "`out` must be a new file, or one that predict began, with the header image,aca"),
        (["x.jpg"], ["--out", "images/" + 300 * "x"], "`out` must be a place that can be written, got File name too long"),
    ],
)  # fmt: skip
def test_bad_input_ends_with_2_and_one_message(names, options, message, checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    for name in names:
        path = Path("images", os.fsdecode(name))
        path.parent.mkdir(exist_ok=True)
        path.write_text("is not read")
    before = contents_of(tmp_path)
    assert main(words_of(Path("images"), checkpoint, Path("p.csv"), *options)) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {message}")
    assert said.count("; ") == 1
    assert contents_of(tmp_path) == before
    assert said.replace("\n", "").isprintable()


def test_namesakes_are_listed_where_they_are(tmp_path):
    for name in ("x.jpg", "b\x1b/x.jpg", "c/y.jpg", "d/y.jpg", "a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError) as caught:
        find_images(tmp_path)
    assert caught.value.text().splitlines()[1:] == [
        r"  - the same name: b\x1b/x.jpg, x.jpg",
        "  - the same name: c/y.jpg, d/y.jpg",
    ]


@pytest.mark.parametrize(("name", "found"), [("nowhere", "No such file or directory"), ("file.jpg", "Not a directory")])
def test_what_is_no_folder_is_refused(name, found, tmp_path):
    (tmp_path / "file.jpg").touch()
    with pytest.raises(InputError, match=f"`images` must be a folder that can be read, got {found} in .*{name}; check DIR"):
        find_images(tmp_path / name)


def test_a_folder_that_cannot_be_read_is_refused(folder, monkeypatch):
    scandir = os.scandir

    def scan(path: Any) -> Any:
        if str(path).endswith("deeper"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    with pytest.raises(InputError, match=r"got Permission denied in .*/b/deeper; check DIR"):
        find_images(folder)


def test_text_is_shown_as_it_can_be_seen():
    assert make_visible("é 日本 'a'\n\x1b[0m\u202e\udce9") == r"é 日本 'a'\n\x1b[0m\u202e\udce9"


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["predict", "--help"])
    assert caught.value.code == 0
    assert "Exit code: 0, 1 if images were skipped" in capsys.readouterr().out


def test_an_answer_that_is_no_number_is_none(folder, predicted, checkpoint, tmp_path, capsys, monkeypatch):
    """The first batch overflows: its images are named and get no row, and the next run tries them again."""
    calls = []

    def overflow_once(model, **words):
        predictor = make_predictor(model, **words)

        def run(images):
            calls.append(len(images))
            return predictor(images) * (float("nan") if len(calls) == 1 else 1.0)

        return run

    out = tmp_path / "p.csv"
    options = words_of(folder, checkpoint, out, "--batch-size", "2")
    monkeypatch.setattr(predict, "make_predictor", overflow_once)
    assert main(options) == 1
    said = capsys.readouterr()
    assert "skipped 2 images that could not be read or predicted" in said.out
    assert said.err.count("the network's probabilities are no numbers") == 2
    assert names_in(out) == names_in(predicted)[2:]
    assert main(options) == 0
    assert sorted(names_in(out)) == sorted(names_in(predicted))
    assert "nan" not in out.read_text(encoding="utf-8")


def test_rows_of_images_that_are_gone_are_refused(folder, checkpoint, tmp_path, capsys):
    images, out = tmp_path / "images", tmp_path / "p.csv"
    shutil.copytree(folder, images)
    options = words_of(images, checkpoint, out)
    assert main(options) == 0
    name = names_in(out)[-1]
    (images / name).unlink()
    left = out.read_bytes() + b"torn"
    out.write_bytes(left)
    capsys.readouterr()
    assert main(options) == 2
    said = capsys.readouterr().err
    assert "`out` must have rows of the folder's images alone, got 1 other" in said
    assert said.rstrip().endswith(f"- {name}")
    assert out.read_bytes() == left
