"""Numbers and where they come from: scenario files to validated inputs."""
