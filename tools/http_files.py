"""Runnable .http files, one for each topic: for the REST Client of VS Code and the HTTP Client of JetBrains.

https://github.com/Huachao/vscode-restclient, https://www.jetbrains.com/help/idea/exploring-http-syntax.html
"""

from tools.example_requests import BASE, HOW_TO_SIGN_IN, TOKEN, ExampleRequest


def http_files(requests: tuple[ExampleRequest, ...]) -> dict[str, str]:
    """The files by name, such as `Patient.http`."""
    topics = dict.fromkeys(request.topic for request in requests)
    return {f"{topic}.http": _file([each for each in requests if each.topic == topic]) for topic in topics}


def _file(requests: list[ExampleRequest]) -> str:
    lines = [
        "# Made by tools/write_docs.py from the examples of the OpenAPI description: change seeds/examples.py.",
        "# They work on the demo data. The number under a title is the status that a fresh copy of it answers.",
        f"# {HOW_TO_SIGN_IN}",
        "",
        f"@base = {BASE}",
        f"@token = {TOKEN}",
    ]
    for request in requests:
        lines += ["", f"### {request.title}", f"# {request.status}", f"{request.method} {{{{base}}}}/{request.path}"]
        lines += ["Authorization: Bearer {{token}}", *(f"{name}: {value}" for name, value in request.headers)]
        if request.body:
            lines += ["", request.body]
    return "\n".join(lines) + "\n"
