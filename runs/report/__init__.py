"""Tables, pages and bills of stored runs."""
