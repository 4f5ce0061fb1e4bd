"""Tables compiled from published FHIR definitions: data read by `fhir_server.definitions`."""
