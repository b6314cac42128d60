"""From a block to a proven optimum with HiGHS."""
