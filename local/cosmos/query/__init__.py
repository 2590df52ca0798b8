"""The query language: grammar, syntax tree, evaluation, and what of it SQLite can do."""
