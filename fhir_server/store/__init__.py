"""The MongoDB side: rows, their indexes, transactions and reads. The only package that knows the driver."""
