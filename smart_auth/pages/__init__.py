"""The pages of sign-in and consent: templates, their style, and what renders them.

https://www.w3.org/TR/WCAG22/
"""
