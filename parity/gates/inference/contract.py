"""What both recorders of the inference gate and its comparison agree on."""

from __future__ import annotations

from parity.workspace import Case, Workspace

FREE_TAP_IMAGES = 1
DROPOUT_SHAPE = (64, 256)


def alone(workspace: Workspace) -> tuple[Case, ...]:
    """Images that are also predicted in a batch of one."""
    return workspace.tap_cases("evaluation")
