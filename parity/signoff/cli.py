"""``python -m parity signoff``: the words behind ``nox -s signoff``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from parity.console import show_progress
from parity.errors import bad_input
from parity.signoff.keys import ROLES, make_key
from parity.signoff.sign import sign as sign_run
from parity.signoff.verify import verify as verify_project
from parity.workspace import PROJECT

signoff = typer.Typer(name="signoff", rich_markup_mode=None, help="Sign the migration off, and see whether that still holds.")
Signers = Annotated[Path | None, typer.Option(help="Who may sign. Default: signers.toml.")]
SignersDigest = Annotated[str | None, typer.Option(help="SHA-256 of the list of signers, known from elsewhere.")]


@signoff.command()
def keygen(
    key: Annotated[Path, typer.Option(help="File to write; keep it out of the repository.")],
    name: Annotated[str, typer.Option(help="Whose key it is.")],
    role: Annotated[str, typer.Option(help="author or approver.")],
) -> None:
    """Make an ed25519 key, and print its entry for signers.toml."""
    public = make_key(key) if _role(role) else ""
    print(f'[[signer]]\nname = "{name}"\nrole = "{role}"\nkey = "{public}"')


@signoff.command()
def sign(
    run: Annotated[Path, typer.Argument(help="Folder of a run of profile full.")],
    name: Annotated[str, typer.Option(help="Who signs, as in signers.toml.")],
    role: Annotated[str, typer.Option(help="author or approver.")],
    key: Annotated[Path, typer.Option(help="Private key.")],
    demo: Annotated[bool, typer.Option("--demo", help="It is known that the run is of the demo.")] = False,
    signers: Signers = None,
) -> None:
    """Sign a run off: first its author, then an approver with another key.

    The author's part writes the golden bundle, which takes a small run of its own. Ends with 0, or with 2 where it is refused.
    """
    with show_progress() as listen:
        path = sign_run(run, name=name, role=_role(role), key=key, demo=demo, signers=signers, listen=listen)
    print(f"signed by {name} as {role}: {path}")
    print(verify_project(PROJECT, signers=signers).render())


@signoff.command()
def verify(
    signers: Signers = None,
    signers_sha256: SignersDigest = None,
    data: Annotated[Path | None, typer.Option(help="The signed run's images, to see whether they changed.")] = None,
) -> None:
    """Say whether the sign-off is VALID, STALE (and what changed) or TAMPERED (and which file).

    Ends with 0 VALID, 1 TAMPERED, 2 bad input, 3 STALE, 4 signed by the author alone.
    """
    found = verify_project(PROJECT, signers=signers, signers_sha256=signers_sha256, data=data)
    print(found.render())
    raise typer.Exit(found.status.exit_code)


def _role(role: str) -> str:
    if role not in ROLES:
        raise bad_input("--role", f"be {' or '.join(ROLES)}", role, "the command line", "see --help")
    return role
