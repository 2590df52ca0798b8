"""Jobs: import of a graph from a file (`imports`), deletion of everything (`deletions`), their register."""
