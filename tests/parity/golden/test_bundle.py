"""The golden bundle: what goes in comes out, and nothing else comes in."""

from __future__ import annotations

import hashlib
import io
import json
import random
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from parity.errors import BadInputError
from parity.golden.bundle import pack, read_facts, unpack

from . import hostile_bundles as hostile

FILES = {
    "spec.json": b'{"profile": "guard"}',
    "empty.txt": b"",
    "data/images/nor/nor_20x_1.jpg": bytes(range(256)) * 7,
    "legacy/blocks/manifest.json": "naïve ✓\r\n".encode(),
    "weights.npz": hostile.whole_bytes(),
}
ARRAYS = {
    "legacy/blocks/00000.npy": np.random.default_rng(17).normal(size=(2, 3, 4)),
    "legacy/blocks/00001.npy": np.arange(5, dtype=np.uint8),
    "legacy/blocks/00002.npy": np.asfortranarray(np.ones((3, 4), np.float32) * np.arange(4, dtype=np.float32)),
    "legacy/blocks/00003.npy": np.array(3.5),
    "legacy/blocks/00004.npy": np.zeros((0, 3), np.int64),
    "legacy/blocks/00005.npy": np.array([True, False]),
    "legacy/blocks/00006.npy": np.arange(3, dtype=">f4"),
}


class Every(frozenset[str]):
    """Parts of a bundle of which none is foreign: what is refused here is refused for something else."""

    def __contains__(self, name: object) -> bool:
        return True


PARTS = Every()
FACTS = {"kernels": {"seed": 17}, "words": ["naïve", None, 1.5]}


def listing(folder: Path) -> dict[str, str]:
    """Everything below a folder: folders by name, files by name and hash."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for name, content in {**FILES, **{name: hostile.npy(array) for name, array in ARRAYS.items()}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def packed(source: Path, tmp_path: Path) -> Path:
    pack(source, tmp_path / "golden.npz", FACTS)
    return tmp_path / "golden.npz"


def test_every_file_comes_back_byte_for_byte(source: Path, packed: Path, tmp_path: Path):
    unpack(packed, tmp_path / "target", PARTS)
    assert listing(tmp_path / "target") == listing(source)
    assert len([name for name in listing(source) if (source / name).is_file()]) == len(FILES) + len(ARRAYS)


def test_facts_come_back(packed: Path):
    assert read_facts(packed) == FACTS


def test_the_same_files_give_the_same_bytes(source: Path, packed: Path, tmp_path: Path):
    again = tmp_path / "again"
    for name in reversed(listing(source)):
        if (source / name).is_file():
            (again / name).parent.mkdir(parents=True, exist_ok=True)
            (again / name).write_bytes((source / name).read_bytes())
    pack(again, tmp_path / "again.npz", dict(reversed(FACTS.items())))
    assert (tmp_path / "again.npz").read_bytes() == packed.read_bytes()
    (again / "empty.txt").write_text(" ")
    pack(again, tmp_path / "again.npz", FACTS)
    assert (tmp_path / "again.npz").read_bytes() != packed.read_bytes()


def test_numpy_alone_reads_it(packed: Path):
    with np.load(packed, allow_pickle=False) as archive:
        members = {name: archive[name] for name in archive.files}
    index = json.loads(members["index"].tobytes())
    assert set(index) == {"schema", "facts", "files"}
    for name, array in ARRAYS.items():
        found = members[index["files"][name]["member"].removesuffix(".npy")]
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
    for name, content in FILES.items():
        assert members[index["files"][name]["member"].removesuffix(".npy")].tobytes() == content
        assert index["files"][name]["sha256"] == hashlib.sha256(content).hexdigest()


def test_nothing_is_left_beside_a_bundle(packed: Path, source: Path, tmp_path: Path):
    unpack(packed, tmp_path / "target", PARTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["golden.npz", "source", "target"]


def test_what_is_there_of_the_same_name_is_replaced_and_the_rest_stays(packed: Path, source: Path, tmp_path: Path):
    target = tmp_path / "target"
    port = "port/blocks/manifest.json"
    for name in ("legacy/blocks/00009.npy", "legacy/older/manifest.json", "spec.json", "empty.txt/x", port):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text("of an older run")
    unpack(packed, target, PARTS)
    kept = {"port": "folder", "port/blocks": "folder", port: hashlib.sha256(b"of an older run").hexdigest()}
    assert listing(target) == {**listing(source), **kept}


def test_unpacking_twice_is_unpacking_once(packed: Path, source: Path, tmp_path: Path):
    for _ in range(2):
        unpack(packed, tmp_path / "target", PARTS)
    assert listing(tmp_path / "target") == listing(source)


def test_a_bundle_written_by_hand_is_read(tmp_path: Path):
    (tmp_path / "golden.npz").write_bytes(hostile.whole_bytes())
    unpack(tmp_path / "golden.npz", tmp_path / "target", PARTS)
    assert (tmp_path / "target" / "folder" / "table.json").read_bytes() == hostile.CONTENT
    np.testing.assert_array_equal(np.load(tmp_path / "target" / "array.npy"), hostile.ARRAY)
    assert read_facts(tmp_path / "golden.npz") == {"seed": 17}


def refuse(tmp_path: Path, content: bytes) -> str:
    """Unpack into a folder that holds something; return the message, which is the only trace."""
    path, target = tmp_path / "golden.npz", tmp_path / "outer" / "target"
    path.write_bytes(content)
    target.mkdir(parents=True, exist_ok=True)
    (target / "array.npy").write_text("of an older run")
    before = listing(tmp_path)
    with pytest.raises(BadInputError, match=r"^`golden bundle` must be a whole bundle of schema parity-golden/1, got") as error:
        unpack(path, target, PARTS)
    assert listing(tmp_path) == before
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert str(path) in message
    return message


@pytest.mark.parametrize("name", hostile.BAD_NAMES, ids=ascii)
def test_a_name_that_is_not_plain_is_refused(tmp_path: Path, name: str):
    assert "a file called" in refuse(tmp_path, hostile.with_name(name))


@pytest.mark.parametrize("name", ["x", "a/b/c", "A-1_2.json", "x" * 100, "_"])
def test_a_plain_name_is_not_refused(tmp_path: Path, name: str):
    (tmp_path / "golden.npz").write_bytes(hostile.with_name(name))
    unpack(tmp_path / "golden.npz", tmp_path / "target", PARTS)
    assert (tmp_path / "target" / name).read_bytes() == hostile.CONTENT


@pytest.mark.parametrize("what", hostile.BAD_INDEXES)
def test_an_index_is_refused_with(tmp_path: Path, what: str):
    refuse(tmp_path, hostile.with_index(hostile.BAD_INDEXES[what]))


@pytest.mark.parametrize("what", hostile.BAD_INDEX_TEXTS)
def test_an_index_is_refused_that_is(tmp_path: Path, what: str):
    refuse(tmp_path, hostile.with_index_text(hostile.BAD_INDEX_TEXTS[what]))


@pytest.mark.parametrize("what", hostile.BAD_ARRAYS)
def test_an_array_is_refused_of(tmp_path: Path, what: str):
    assert "00001.npy" in refuse(tmp_path, hostile.with_array(hostile.BAD_ARRAYS[what]))


@pytest.mark.parametrize("what", hostile.BAD_FILES)
def test_a_file_is_refused_that_is(tmp_path: Path, what: str):
    refuse(tmp_path, hostile.BAD_FILES[what]())


@pytest.mark.parametrize("member", ["00001.npy", "index.npy"])
def test_no_pickle_is_ever_opened(tmp_path: Path, member: str):
    content = hostile.pickled(str(tmp_path / "made"))
    refuse(tmp_path, hostile.whole_bytes({**hostile.whole_members(), member: content}))
    assert not (tmp_path / "made").exists()
    np.load(io.BytesIO(content), allow_pickle=True)
    assert (tmp_path / "made").exists(), "numpy would have done it"


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path):
    content = hostile.bomb()
    assert len(content) < 4_000_000
    start = time.monotonic()
    assert "400,000,000 bytes unpacked" in refuse(tmp_path, content)
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_that_says_it_is_small_takes_no_memory(tmp_path: Path, compression: int):
    content = hostile.patch_sizes(hostile.bomb(compression, 100_000_000), 100)
    tracemalloc.start()
    try:
        refuse(tmp_path, content)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10_000_000


def test_a_larger_file_than_allowed_is_not_opened(tmp_path: Path):
    path = tmp_path / "golden.npz"
    path.write_bytes(hostile.whole_bytes())
    with path.open("r+b") as file:
        file.truncate(400_000_001)  # sparse: nothing is written
    with pytest.raises(BadInputError, match="more than 400,000,000 bytes"):
        unpack(path, tmp_path / "target", PARTS)


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_without_a_file_there_is_one_message(tmp_path: Path, kind: str):
    if kind == "folder":
        (tmp_path / "golden.npz").mkdir()
    for read in (read_facts, lambda path: unpack(path, tmp_path / "target", PARTS)):
        with pytest.raises(BadInputError, match=r"^`golden bundle` must be there, got 'golden\.npz' in .* sign writes it$"):
            read(tmp_path / "golden.npz")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_bundle_is_refused_or_unpacked_whole(source: Path, packed: Path, tmp_path: Path, seed: int):
    rng, whole = random.Random(seed), packed.read_bytes()
    wanted, messages = listing(source), []
    for number in range(60):
        content, place = bytearray(whole), rng.randrange(len(whole))
        change = rng.choice(["flip", "delete", "insert", "cut", "fill"])
        if change == "flip":
            content[place] ^= 1 << rng.randrange(8)
        elif change == "delete":
            del content[place]
        elif change == "insert":
            content.insert(place, rng.randrange(256))
        elif change == "cut":
            del content[place:]
        else:
            content[place : place + 8] = b"\xff" * 8
        packed.write_bytes(content)
        target = tmp_path / f"target{number}"
        try:
            unpack(packed, target, PARTS)
            assert listing(target) == wanted, "a zip has bytes that nobody reads, such as dates"
        except BadInputError as error:
            messages.append(str(error))
            assert not target.exists()
    assert len(messages) > 40
    assert all(len(message.splitlines()) == 1 for message in messages)


def test_a_part_that_does_not_belong_there_is_refused(packed: Path, tmp_path: Path):
    with pytest.raises(BadInputError, match=r"data/images/nor/nor_20x_1\.jpg, which is no part of such a bundle"):
        unpack(packed, tmp_path / "target", {name.partition("/")[0] for name in (*FILES, *ARRAYS)} - {"data"})
    assert listing(tmp_path / "target") == {}
