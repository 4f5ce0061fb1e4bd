"""HTTP: the URL table, reading headers, writing answers. The only importer of starlette and fastapi besides app."""
