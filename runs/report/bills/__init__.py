"""Bills of a member for a period: from runs and ledger to a page, rows for a program, and a receipt beside them."""
