"""The same community in other frameworks, stated with what these have."""
