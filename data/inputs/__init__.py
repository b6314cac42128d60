"""The variable table, and the Dataset that obeys it."""
