"""A server process with sign-in on that admits one bearer by name: `python -m tests.crash.guarded_server PORT`.

What else it needs are the settings in its environment.
"""

import sys

import uvicorn

from fhir_server.app import create_app
from fhir_server.settings import Settings
from smart_auth.access import AccessContext
from tests.rest.access import FixedGuard, scopes

SYSTEM = AccessContext("traffic", "traffic", "system", scopes("system/*.cruds"))


def main() -> None:
    port = int(sys.argv[1])
    app = create_app(Settings(auth="smart", port=port), FixedGuard({"traffic": SYSTEM}))
    uvicorn.run(app, host="127.0.0.1", port=port, loop="uvloop", log_config=None, access_log=False)


if __name__ == "__main__":
    main()
