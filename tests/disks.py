"""A disk that fails, and a process that ends, at the n-th call of the system."""

import errno
import os

CALLS = ("open", "write", "fsync", "replace", "ftruncate", "mkdir")
HOWS = ("error", "full", "killed before", "killed halfway", "killed after")


class Killed(BaseException):
    """The process ends here."""


class Disk:
    """Stand between the ledger and the system, and let the n-th call fail: before, after, or halfway through it."""

    def __init__(self, monkeypatch):
        self.count, self.at, self.how = 0, -1, ""
        self.real = {name: getattr(os, name) for name in CALLS}
        for name in CALLS:
            monkeypatch.setattr(os, name, self._call(name))

    def _call(self, name):
        def call(*arguments, **options):
            self.count += 1
            if self.count != self.at:
                return self.real[name](*arguments, **options)
            if self.how == "error":
                raise OSError(errno.EIO, "Input/output error")
            if self.how == "full" and name == "write":
                return self.real[name](arguments[0], arguments[1][: len(arguments[1]) // 2])
            if self.how == "full":
                raise OSError(errno.ENOSPC, "No space left on device")
            if self.how == "killed halfway" and name == "write":
                self.real[name](arguments[0], arguments[1][: len(arguments[1]) * 2 // 3])
            elif self.how == "killed after":
                self.real[name](*arguments, **options)
            raise Killed

        return call

    def fail(self, at, how):
        self.count, self.at, self.how = 0, at, how

    def work(self):
        self.at = -1
