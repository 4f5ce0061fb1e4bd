"""What `fhir-server load` does: files, what becomes of their content, and where it goes."""
