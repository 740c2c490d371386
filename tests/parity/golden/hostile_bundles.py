"""Bundles written by hand: whole ones, and every kind of wrong one. A wrong one differs from a whole one in one thing."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

SCHEMA = "parity-golden/1"
CONTENT = b'{"answer": 42}\n'
ARRAY = np.arange(12.0).reshape(3, 4)
ZEROS = 420_000_000
WHOLE = object()
CENTRAL, SIZE_AT = b"PK\x01\x02", 24  # a member's record in the directory of a zip, and where its size unpacked stands


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def row_of_bytes(content: bytes) -> bytes:
    return npy(np.frombuffer(content, np.uint8))


def headed(header: str, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """An array file whose header says anything."""
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + content


def header(descr: str = "'<f8'", shape: str = "(3, 4)", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def entry(member: str, content: bytes) -> dict[str, str]:
    return {"member": member, "sha256": hashlib.sha256(content).hexdigest()}


def whole_files() -> dict[str, Any]:
    return {"folder/table.json": entry("00000.npy", CONTENT), "array.npy": entry("00001.npy", npy(ARRAY))}


def whole_index(**changes: Any) -> dict[str, Any]:
    return {"schema": SCHEMA, "facts": {"seed": 17}, "files": whole_files(), **changes}


def write_zip(path: Path, members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def whole_members(index: object = WHOLE) -> dict[str, bytes]:
    text = json.dumps(whole_index() if index is WHOLE else index).encode()
    return {"00000.npy": row_of_bytes(CONTENT), "00001.npy": npy(ARRAY), "index.npy": row_of_bytes(text)}


def whole_bytes(members: Mapping[str, bytes] | None = None, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    write_zip(buffer, whole_members() if members is None else members, compression)  # type: ignore[arg-type]
    return buffer.getvalue()


def with_index(index: object) -> bytes:
    return whole_bytes(whole_members(index))


def with_index_text(text: bytes) -> bytes:
    return whole_bytes({**whole_members(), "index.npy": row_of_bytes(text)})


def with_name(name: str) -> bytes:
    """The JSON file is called otherwise."""
    files = whole_files()
    return with_index(whole_index(files={name: files["folder/table.json"], "array.npy": files["array.npy"]}))


def with_array(content: bytes) -> bytes:
    """The array file has another content, and the index has its hash."""
    files = {**whole_files(), "array.npy": entry("00001.npy", content)}
    return whole_bytes({**whole_members(whole_index(files=files)), "00001.npy": content})


def patch_sizes(content: bytes, size: int) -> bytes:
    """Every member claims another size unpacked."""
    patched, place = bytearray(content), content.find(CENTRAL)
    while place >= 0:
        patched[place + SIZE_AT : place + SIZE_AT + 4] = size.to_bytes(4, "little")
        place = content.find(CENTRAL, place + 4)
    return bytes(patched)


def bomb(compression: int = zipfile.ZIP_DEFLATED, zeros: int = ZEROS) -> bytes:
    """An index of many zeros, in chunks: it is never whole in memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression, compresslevel=1) as archive, archive.open("index.npy", "w") as member:
        for _ in range(zeros // 1_000_000):
            member.write(bytes(1_000_000))
    return buffer.getvalue()


def twice_the_same() -> bytes:
    content = whole_bytes({**whole_members(), "00002.npy": row_of_bytes(b"another")})
    return content.replace(b"00002.npy", b"00000.npy")


class MakesFolder:
    """Whoever opens a pickle of this makes a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.path,)


def pickled(path: str) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([MakesFolder(path)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


BAD_NAMES = (
    "../x", "/etc/x", "a/../../x", "a\\..\\x", "..\\x", "a//x", "", "/", "a/", "./x", "..", ".", "a/./x", "a/..", "C:/x", "~/x",
    ".hidden", "-x", "a b", "a\x00b", "a\nb", "a\n", "x" * 101, "%2e%2e/x", "\u2024\u2024/x", "\uff0e\uff0e\uff0fx",
    "a\u2215b", "a\u202egpj", "\u00e9", "e\u0301", "a/\u200b", "\ud800",
)  # fmt: skip
BAD_INDEXES: Mapping[str, object] = {
    "schema of another": whole_index(schema="parity-golden/2"),
    "schema of no text": whole_index(schema=None),
    "no schema": {key: value for key, value in whole_index().items() if key != "schema"},
    "no files": {key: value for key, value in whole_index().items() if key != "files"},
    "facts that are a list": whole_index(facts=[]),
    "files that are a list": whole_index(files=[[*whole_files()]]),
    "files that are nothing": whole_index(files=None),
    "a list": [],
    "a number": 17,
    "nothing": None,
    "entry that is nothing": whole_index(files={**whole_files(), "array.npy": None}),
    "entry that is a text": whole_index(files={**whole_files(), "array.npy": "00001.npy"}),
    "entry without hash": whole_index(files={**whole_files(), "array.npy": {"member": "00001.npy"}}),
    "hash of another": whole_index(files={**whole_files(), "array.npy": entry("00001.npy", b"another")}),
    "hash that is nothing": whole_index(files={**whole_files(), "array.npy": {"member": "00001.npy", "sha256": None}}),
    "hash in capitals": whole_index(
        files={**whole_files(), "array.npy": {"member": "00001.npy", "sha256": entry("", npy(ARRAY))["sha256"].upper()}}
    ),
    "member that is a number": whole_index(files={**whole_files(), "array.npy": {**entry("", npy(ARRAY)), "member": 1}}),
    "member that is missing": whole_index(files={**whole_files(), "b.npy": entry("00002.npy", npy(ARRAY))}),
    "member that is the index": whole_index(files={**whole_files(), "array.npy": entry("index.npy", npy(ARRAY))}),
    "member of two files": whole_index(files={**whole_files(), "b.npy": entry("00001.npy", npy(ARRAY))}),
    "member not listed": whole_index(files={"array.npy": entry("00001.npy", npy(ARRAY))}),
    "member outside": whole_index(files={**whole_files(), "array.npy": entry("../00001.npy", npy(ARRAY))}),
    "file that is a folder too": whole_index(
        files={"array.npy": entry("00001.npy", npy(ARRAY)), "array.npy/x": entry("00000.npy", CONTENT)}
    ),
    "folder that is a file too": whole_index(files={"a/x": entry("00000.npy", CONTENT), "a": entry("00001.npy", npy(ARRAY))}),
}
BAD_INDEX_TEXTS: Mapping[str, bytes] = {
    "deep list": b"[" * 100_000 + b"]" * 100_000,
    "deep table": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "huge number": b'{"schema": ' + b"9" * 5000 + b"}",
    "not JSON": b"schema: parity-golden/1",
    "not UTF-8": b'{"schema": "\xff\xfe"}',
    "empty": b"",
    "NUL": b"\x00" * 100,
}
BAD_ARRAYS: Mapping[str, bytes] = {
    "objects": headed(header("'|O'", "(1,)"), pickle.dumps([1])),
    "text": npy(np.array(["text", "more"])),
    "bytes of text": npy(np.array([b"text", b"more"])),
    "dates": npy(np.array(["2026-01-01"], "datetime64[D]")),
    "complex numbers": npy(np.ones(3, np.complex128)),
    "records": npy(np.zeros(3, [("a", "<f8"), ("b", "<i4")])),
    "nothing of void": npy(np.zeros(3, "V8")),
    "huge shape": headed(header(shape="(1000000000, 1000000000)"), bytes(96)),
    "larger shape": headed(header(shape="(3, 5)"), bytes(96)),
    "smaller shape": headed(header(shape="(3, 3)"), bytes(96)),
    "negative shape": headed(header(shape="(-3, -4)"), bytes(96)),
    "shape of no numbers": headed(header(shape="(True, 12)"), bytes(96)),
    "shape of an endless number": headed(header(shape=f"({'9' * 5000},)"), bytes(96)),
    "shape of Python 2": headed(header(shape="(12L,)"), bytes(96)),
    "an alias of old": headed(header("'a8'", "(12,)"), bytes(96)),
    "open bracket": headed("{("),
    "many signs": headed("-" * 9000 + "1"),
    "many brackets": headed("[" * 9000),
    "long sum": headed("1+" * 4000 + "1"),
    "a key that cannot be one": headed("{[]: 1}"),
    "lone surrogate": headed(header("'\\ud800'"), bytes(96)),
    "a header that goes on": headed(header() + " \n" + "(" * 90, bytes(96)),
    "a header of another length": npy(ARRAY).replace(b"\x76\x00{", b"\x75\x00{"),
    "version 2": headed(header(), bytes(96), b"\x02\x00"),
    "no magic": b"NUMPY" + npy(ARRAY),
    "cut short": npy(ARRAY)[:-1],
    "a byte more": npy(ARRAY) + b"\x00",
    "half a header": npy(ARRAY)[:40],
    "empty": b"",
}


def flags_set(content: bytes, flag: int) -> bytes:
    """Every member says that it is, for example, encrypted."""
    patched, place = bytearray(content), content.find(CENTRAL)
    while place >= 0:
        patched[place + 8] |= flag
        place = content.find(CENTRAL, place + 4)
    return bytes(patched)


def with_far_member() -> bytes:
    """A member that starts beyond any disk, as 64 bits can say."""
    content = bytearray(whole_bytes())
    place = content.find(CENTRAL)
    name_length = int.from_bytes(content[place + 28 : place + 30], "little")
    content[place + 42 : place + 46] = b"\xff" * 4
    content[place + 30 : place + 32] = (12).to_bytes(2, "little")
    end = place + 46 + name_length
    content[end:end] = b"\x01\x00\x08\x00" + b"\xff" * 8
    tail = content.find(b"PK\x05\x06")
    size = int.from_bytes(content[tail + 12 : tail + 16], "little") + 12
    content[tail + 12 : tail + 16] = size.to_bytes(4, "little")
    return bytes(content)


BAD_FILES: Mapping[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "not a zip": lambda: b"golden" * 100,
    "an array alone": lambda: npy(ARRAY),
    "no members": lambda: whole_bytes({}),
    "no index": lambda: whole_bytes({key: value for key, value in whole_members().items() if key != "index.npy"}),
    "member missing": lambda: whole_bytes({key: value for key, value in whole_members().items() if key != "00001.npy"}),
    "member more": lambda: whole_bytes({**whole_members(), "00002.npy": npy(ARRAY)}),
    "member of another name": lambda: whole_bytes({**whole_members(), "../x.npy": npy(ARRAY)}),
    "member twice": twice_the_same,
    "10,001 members": lambda: whole_bytes({**whole_members(), **{f"{number:05d}.npy": b"" for number in range(2, 10_002)}}),
    "half": lambda: whole_bytes()[: len(whole_bytes()) // 2],
    "without its end": lambda: whole_bytes()[:-22],
    "without its beginning": lambda: whole_bytes()[100:],
    "stored": lambda: whole_bytes(compression=zipfile.ZIP_STORED),
    "bzip2": lambda: whole_bytes(compression=zipfile.ZIP_BZIP2),
    "lzma": lambda: whole_bytes(compression=zipfile.ZIP_LZMA),
    "encrypted": lambda: flags_set(whole_bytes(), 1),
    "patched data": lambda: flags_set(whole_bytes(), 0x20),
    "sizes of 4 GB": lambda: patch_sizes(whole_bytes(), 0xFFFFFFFE),
    "sizes of 0": lambda: patch_sizes(whole_bytes(), 0),
    "a member beyond the disk": with_far_member,
    "index of an array": lambda: whole_bytes({**whole_members(), "index.npy": npy(ARRAY)}),
}
