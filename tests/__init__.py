"""The tests: sentences about what the server does, against a real MongoDB."""
