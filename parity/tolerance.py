"""Limits, read from ``gates.toml``, and the float32 rule: the float64 legacy is the judge.

A float32 error of the port against the float64 legacy passes when it is at most ``float32/noise_factor`` times the largest
such error of the legacy's own float32 in the same gate, never tighter than ``float32/units`` in the last place (or what
``gates.toml`` calls ``least`` in that limit), never looser than the ceiling written there.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity.contract import GATES
from parity.errors import bad_input

NOISE_FACTOR, UNITS = "float32/noise_factor", "float32/units"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A number a check may reach, and why it is that number.

    Attributes:
        least: How tight a float32 limit gets, however small the legacy's own error is.
        noise_factor: How many times the legacy's own error a float32 limit is.
    """

    value: float
    reason: str
    least: float = 0.0
    noise_factor: float = 1.0

    def widened(self, noise_floor: float) -> Limit:
        """Return the float32 limit for a measured noise floor; `value` is the ceiling.

        >>> Limit(value=1e-4, reason="ceiling", noise_factor=3.0).widened(2e-6).value
        6e-06
        """
        value = min(max(self.noise_factor * noise_floor, self.least), self.value)
        reason = f"{self.noise_factor:g} x the legacy's own float32 error, at least {self.least:.2g}; {self.reason}"
        return Limit(value=value, reason=reason)


@dataclass(frozen=True, kw_only=True)
class GatesFile:
    """``gates.toml``: every limit, and the gates that each profile requires."""

    limits: Mapping[str, Limit]
    required: Mapping[str, tuple[str, ...]]
    sha256: str

    def limit(self, name: str) -> Limit:
        """Return the limit called `name`, for example ``blocks/float64``."""
        return self.limits[name]


def read_gates_file(path: Path) -> GatesFile:
    """Read ``gates.toml``.

    Raises:
        BadInputError: The file is missing, is not TOML, has a limit without a reason or names an unknown gate.
    """
    try:
        content = path.read_bytes()
        values = tomllib.loads(content.decode("utf-8"))
        rows = values["limits"]
        factor = float(rows[NOISE_FACTOR]["limit"])
        least = float(rows[UNITS]["limit"]) * float(np.finfo(np.float32).eps)
        limits = {
            name: Limit(
                value=float(row["limit"]),
                reason=str(row["reason"]),
                least=float(row.get("least", least)),
                noise_factor=factor,
            )
            for name, row in rows.items()
        }
        required = {name: tuple(row["required"]) for name, row in values["profiles"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise bad_input("gates.toml", "hold limits with reasons", str(error), path.name, "restore the file") from error
    unknown = sorted({gate for gates in required.values() for gate in gates} - set(GATES))
    if unknown:
        raise bad_input("required", "name known gates", unknown, path.name, f"choose from {', '.join(GATES)}")
    return GatesFile(limits=limits, required=required, sha256=hashlib.sha256(content).hexdigest())
