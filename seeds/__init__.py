"""The demo population, its stories and requests that work on it, and populations for load tests; see README.md."""
