"""What both recorders of the lockstep gate and its comparison agree on."""

from __future__ import annotations

BATCHES = 6
EPOCHS = 2
STEPS = BATCHES * EPOCHS
SLOTS = ("m", "v")
STATISTICS = ("mean", "variance")
