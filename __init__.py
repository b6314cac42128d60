"""otonari: clear and plan local peer-to-peer electricity markets."""
