"""Regular files, strict YAML and CSV as values with their lines; how files of readings are written."""
