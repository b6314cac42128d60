"""From a scenario to the one Dataset that a clearing reads."""
