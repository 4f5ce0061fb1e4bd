"""One file for each search parameter type: what it writes to the index beside what it reads from it.

https://hl7.org/fhir/R4/search.html#ptypes
"""
