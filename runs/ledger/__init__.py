"""The hash-chained ledger of cleared intervals."""
