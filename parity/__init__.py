"""Parity harness: two pipelines record what they do on the same bytes, a comparator turns that into verdicts."""
