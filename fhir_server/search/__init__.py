"""Search as pure functions: what a resource is found by, what a query asks for, and the plan that joins them.

https://hl7.org/fhir/R4/search.html
"""
