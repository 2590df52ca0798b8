"""Projections: committed documents, from the change feed, to everything outside that follows them."""
