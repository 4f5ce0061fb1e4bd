"""The benchmark: this server beside the floor, the smallest honest program that does the same. Run by `make bench`."""
