"""The $operations: a file for each, and the table that names them."""
