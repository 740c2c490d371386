"""Private keys, and the list of whose public keys count."""

from __future__ import annotations

import hashlib
import json
import stat
import tracemalloc
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from parity.errors import BadInputError
from parity.signoff.keys import APPROVER, AUTHOR, keys_of, make_key, read_key, read_signers

from .hostile_keys import BAD_KEYS, BAD_SIGNERS, KEY, SIGNERS

# Of RFC 8032, 7.1, test 1.
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
SECRET = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"


def test_a_new_key_is_one_that_cryptography_reads(tmp_path: Path):
    path = tmp_path / "new" / "ada.pem"
    public = make_key(path)
    private = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    assert private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex() == public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert make_key(tmp_path / "another.pem") != public


def test_a_new_key_replaces_nothing(tmp_path: Path):
    path = tmp_path / "ada.pem"
    path.write_text("something else")
    with pytest.raises(BadInputError, match=r"^`--key` must be a new file, got 'File exists'"):
        make_key(path)
    assert path.read_text() == "something else"


def test_a_key_that_cannot_be_written_is_bad_input(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match=r"must be one that can be written, got .File exists. in .*file"):
        make_key(tmp_path / "file" / "ada.pem")


def test_a_key_is_named_by_the_hash_of_what_it_is(tmp_path: Path):
    path = tmp_path / "ada.pem"
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SECRET))
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = read_key(path).public_key
    assert public.keyval == {"public": PUBLIC}
    words = {"keytype": "ed25519", "keyval": {"public": PUBLIC}, "scheme": "ed25519"}
    assert public.keyid == hashlib.sha256(json.dumps(words, separators=(",", ":")).encode()).hexdigest()


@pytest.mark.parametrize("what", BAD_KEYS)
def test_what_is_no_plain_ed25519_key_is_refused(tmp_path: Path, what: str):
    path = tmp_path / "ada.pem"
    path.write_bytes(BAD_KEYS[what]())
    with pytest.raises(BadInputError, match=r"^`--key` must be an ed25519 key") as error:
        read_key(path)
    assert len(str(error.value).splitlines()) == 1
    assert str(path) in str(error.value)


def test_no_message_tells_what_is_in_a_key(tmp_path: Path):
    path = tmp_path / "ada.pem"
    path.write_text(SECRET)
    with pytest.raises(BadInputError) as error:
        read_key(path)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(("place", "said"), [("nothing", "No such file"), ("folder", "Is a directory")])
def test_what_is_no_file_is_no_key(tmp_path: Path, place: str, said: str):
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInputError, match=said):
        read_key(tmp_path / place)


def test_of_a_huge_file_only_the_beginning_is_read(tmp_path: Path):
    path = tmp_path / "ada.pem"
    with path.open("wb") as file:
        file.truncate(100_000_000)  # sparse: nothing is written
    tracemalloc.start()
    try:
        with pytest.raises(BadInputError, match="no such key"):
            read_key(path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1_000_000


def test_signers_are_read_with_name_role_and_key(tmp_path: Path):
    path = tmp_path / "signers.toml"
    path.write_text(SIGNERS)
    signers = read_signers(path)
    found = [(row.name, row.role, row.key.keyval["public"]) for row in signers]
    assert found == [("Ada", "author", KEY), ("Grace", "approver", "ab" * 32)]
    assert [row.name for row in keys_of(signers, AUTHOR)] == ["Ada"]
    assert [row.name for row in keys_of(signers, APPROVER)] == ["Grace"]


def test_a_list_may_be_empty(tmp_path: Path):
    path = tmp_path / "signers.toml"
    path.write_text("# Who may sign.\n")
    assert read_signers(path) == ()


@pytest.mark.parametrize(("old", "new"), BAD_SIGNERS)
def test_a_list_that_is_not_whole_is_refused(tmp_path: Path, old: str, new: str):
    path = tmp_path / "signers.toml"
    assert old in SIGNERS
    path.write_text(SIGNERS.replace(old, new, 1))
    with pytest.raises(BadInputError, match=r"^`signers\.toml` must list who may sign, got ") as error:
        read_signers(path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"\xff\xfe", b"name = '\xe9'", "\ud800".encode("utf-8", "surrogatepass")])
def test_a_list_is_in_utf_8(tmp_path: Path, content: bytes):
    path = tmp_path / "signers.toml"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="must list who may sign"):
        read_signers(path)


@pytest.mark.parametrize("place", ["nothing", "folder"])
def test_without_a_list_nobody_may_sign(tmp_path: Path, place: str):
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInputError, match="must list who may sign"):
        read_signers(tmp_path / place)
