"""SMART App Launch and its OAuth 2.0 authorization server. It knows nothing of fhir_server.

https://hl7.org/fhir/smart-app-launch/
"""
