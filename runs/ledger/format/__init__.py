"""The published formats of the ledger: no files, nothing of a run."""
