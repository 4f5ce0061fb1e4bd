"""The scan of files that people attach: a program of the operator's looks at each (FHIR_SCAN_COMMAND).

https://cheatsheetseries.owasp.org/cheatsheets/File_Upload_Cheat_Sheet.html
"""

import asyncio
from collections.abc import Sequence

import structlog

from fhir_server.core import outcome

SCAN_SECONDS = 30.0

log = structlog.get_logger()


class FileScan:
    """Runs the command with a file on its standard input: 0 lets it pass, 1 refuses it, all else is a failure."""

    def __init__(self, command: Sequence[str], seconds: float = SCAN_SECONDS) -> None:
        self._command = tuple(command)
        self._seconds = seconds

    async def __call__(self, content: bytes) -> bool:
        """Whether the file may be taken. Raises FhirError 503 where the scan did not say."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            log.error("the scan of files cannot be started", kind=type(error).__name__)
            raise _unknown() from error
        try:
            async with asyncio.timeout(self._seconds):
                await process.communicate(content)
        except TimeoutError:
            process.kill()
            await process.wait()
            log.error("the scan of a file took too long")
            raise _unknown() from None
        except (BrokenPipeError, ConnectionResetError):
            # It had seen enough before the end.
            await process.wait()
        if process.returncode not in (0, 1):
            log.error("the scan of a file failed", code=process.returncode)
            raise _unknown()
        return process.returncode == 0


def _unknown() -> outcome.FhirError:
    return outcome.SCAN_UNAVAILABLE("Files cannot be scanned at the moment. Try again, or send the message without.")
