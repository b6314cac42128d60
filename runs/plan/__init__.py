"""Plans: what to build, from a scenario to stored figures."""
