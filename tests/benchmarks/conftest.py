"""Collect nothing that needs a framework of the extra ``bench``."""

collect_ignore_glob = ["peers/in_*.py"]
