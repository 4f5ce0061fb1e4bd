"""The process that starts the workers, and replaces one that ended or went silent."""

import structlog
from uvicorn.supervisors import Multiprocess

log = structlog.get_logger()


class Supervisor(Multiprocess):
    """uvicorn's supervisor, which also notices at once a worker that ends while it is asked whether it is alive."""

    def keep_subprocess_alive(self) -> None:
        """Ask each worker for a sign of life, and replace those that give none."""
        for process in self.processes:
            # While this process holds the worker's end of the pipe too, a worker that ends with a question open looks
            # like one that is slow to answer, and is waited for.
            process.child_conn.close()
        asked = list(self.processes)
        super().keep_subprocess_alive()
        for before, now in zip(asked, self.processes, strict=False):
            if before is not now:
                log.warning("a worker was replaced", worker=before.pid, exit_code=before.exitcode, by=now.pid)
