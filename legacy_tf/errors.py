"""What is wrong with the user's input: the command line prints it and ends with exit code 2."""


class InputError(Exception):
    """Input that cannot be used; the message says what was expected, what was found, where and what to do."""


class PlaceError(InputError, OSError):
    """A place that cannot be written: a full disk, a folder without permission. What was there before is there still."""


class DatasetError(InputError):
    """A data set or split that cannot be used."""


class CheckpointError(InputError):
    """A checkpoint that does not hold the weights of the model."""


def list_faults(subject: str, faults: list[str], shown: int = 10) -> str:
    """One message with every fault, or the first `shown` and the number of the others."""
    if len(faults) == 1:
        return f"{subject}: {faults[0]}"
    lines = [f"{subject}: {len(faults)} faults", *(f"  - {fault}" for fault in faults[:shown])]
    if len(faults) > shown:
        lines.append(f"  - and {len(faults) - shown} more")
    return "\n".join(lines)
