"""The load of tests/load/open_loop.cpp: requests at set times, whether the server keeps up or not."""
import pathlib
import re
import subprocess

import harness

program = pathlib.Path(harness.binary()).parent / "tests/programs/open_loop"


class OpenLoop:
    """A load that runs from now on; `options` are the program's. `figures` waits for
    its end."""

    def __init__(self, server, **options):
        flags = [f"--{name}={value}" for name, value in options.items()]
        self.process = subprocess.Popen([str(program), f"--port={server.port}", f"--token={harness.mint()}", *flags],
                                        stdout=subprocess.PIPE, text=True)

    def figures(self, timeout=120):
        """What became of the requests, as the program names it."""
        out, _ = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0, out
        found = re.search("BENCH (.*)", out)[1]
        return {name: float(value) for name, value in (part.split("=") for part in found.split())}


def rss_mib(server, field="VmRSS"):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1024
