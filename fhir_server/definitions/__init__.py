"""What R4 says of types, search parameters, compartments, value sets and operations, and whose record a resource is."""
