"""The forms of files of readings: what holds the cells, which rows are readings, stamps and numbers as people write."""
