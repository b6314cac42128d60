"""Pages for people, in HTML: of a run, of runs side by side, and of a member."""
