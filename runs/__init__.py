"""The floor that writes: runs, stored results, the ledger."""
