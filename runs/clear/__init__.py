"""One clearing, a sweep of them, or a huge one by regions."""
