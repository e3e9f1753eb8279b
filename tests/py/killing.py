"""Killing a server as a crash of its machine would, data and all."""

import signal

import psutil

from harness.embedded.postgres import EmbeddedPostgres


def kill_server(postgres: EmbeddedPostgres) -> None:
    """End a running server and its backends with SIGKILL: nothing of it says goodbye."""
    pid = postgres.status().pid
    assert pid is not None
    postmaster = psutil.Process(pid)
    backends = postmaster.children()
    for process in (postmaster, *backends):
        process.send_signal(signal.SIGKILL)
