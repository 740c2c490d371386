"""What is signed: the author's test result of a run, and the approver's word on it.

References:
    https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md; fields of ours stand under ``parity``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from parity.contract import GATES
from parity.signoff.envelope import STATEMENT, Statement
from parity.verdict import Verdict

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
APPROVAL = "urn:lung-histology-parity:approval:1"


def make_statement(
    report: Mapping[str, Any], subjects: Mapping[str, str], configuration: Mapping[str, str], *, name: str
) -> Statement:
    """Return the author's statement.

    Args:
        report: report.json of the run.
        subjects: SHA-256 of every file that is signed for, by name.
        configuration: SHA-256 of the files it was made with: locks, the legacy.
        name: Of the author.
    """
    run, gates = report["run"], report["gates"]
    named = {verdict: [gate["gate"] for gate in gates if gate["verdict"] == verdict] for verdict in ("PASS", "WAIVED")}
    data = {key: value for key, value in run["data"].items() if key not in ("folder", "sha256")}
    return {
        "_type": STATEMENT,
        "subject": _rows(subjects),
        "predicateType": TEST_RESULT,
        "predicate": {
            "result": "WARNED" if named["WAIVED"] else "PASSED",
            "configuration": [
                *_rows(configuration),
                {"uri": "urn:parity:data", "digest": {"sha256": run["data"]["sha256"]}, "annotations": data},
                {"uri": "urn:parity:checkpoint", "annotations": {"sha256": run["checkpoint"]["sha256"]}},
            ],
            "passedTests": named["PASS"],
            "warnedTests": named["WAIVED"],
            "failedTests": [],
            "parity": {
                "name": name,
                "role": "author",
                "signed": _now(),
                "headline": report["headline"],
                "demo": run["demo"],
                "profile": run["profile"],
                "command": run["command"],
                "host": run["host"],
                "devices": run["devices"],
                "environments": run["environments"],
                "counts": {
                    "required": sum(gate["required"] for gate in gates),
                    "run": sum(gate["verdict"] != "NOT_RUN" for gate in gates),
                    "passed": len(named["PASS"]),
                    "checks": {key: report["coverage"][key] for key in ("expected", "compared", "waived")},
                },
                "anomalies": list(find_anomalies(report)),
                "planted_faults": report["faults"],
            },
        },
    }


def make_approval(author: str, headline: str, subjects: Mapping[str, str], *, name: str, demo: bool) -> Statement:
    """Return the approver's statement on what an author has signed; `subjects` are the hash of that envelope."""
    words = {"name": name, "role": "approver", "signed": _now(), "author": author, "headline": headline, "demo": demo}
    return {
        "_type": STATEMENT,
        "subject": _rows(subjects),
        "predicateType": APPROVAL,
        "predicate": {"result": "APPROVED", "parity": words},
    }


def find_anomalies(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader must know beside a PASS: what was waived, not run, tied, or has no power."""
    for gate in report["gates"]:
        for check in gate["checks"]:
            if check["verdict"] != Verdict.PASS.value:
                yield f"{check['id']} is {check['verdict']}"
        if gate["verdict"] == Verdict.NOT_RUN.value:
            yield f"{gate['gate']} ({GATES[gate['gate']]}) was not run"
    gpus = sorted({device for device in report["run"]["devices"].values() if device != "cpu"})
    if gpus:
        yield f"computed on {', '.join(gpus)}: the run says nothing about float32 on a CPU or on another GPU"
    ties = [row["image"] for row in report["ledger"] if row["tie"]]
    if ties:
        yield f"{len(ties)} decisions are ties: {', '.join(ties[:5])}"
    if report["faults"] is None:
        yield "no score of planted faults for this code: nox -s faults"


def _rows(files: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "digest": {"sha256": digest}} for name, digest in files.items()]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
