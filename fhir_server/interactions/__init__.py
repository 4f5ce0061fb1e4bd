"""The interactions of the RESTful API, one file each: no HTTP above them is known, no driver below.

https://hl7.org/fhir/R4/http.html
"""
