"""From a verdict to a decision that can be defended: signed statements, their verification, and the legacy's retirement."""
