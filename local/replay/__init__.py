"""Recorded machines through the whole pipeline at full speed, and an account of what became of them."""
