"""Stand-ins for libraries that other libraries import for functions that nothing here calls."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


class _Function:
    """A function of a library, which is imported when it is called or asked for anything."""

    def __init__(self, library: str, name: str):
        self._library, self._name = library, name

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return getattr(import_module(self._library), self._name)(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(import_module(self._library), self._name), name)


class _Library(ModuleType):
    """A library that is imported when it is asked for anything, once it stands in no more."""

    __path__ = []  # noqa: RUF012 - so is it in every package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            return _Function(self.__name__, name)
        return getattr(import_module(self.__name__), name)


@contextmanager
def stand_ins(*libraries: str) -> Iterator[None]:
    """Import other libraries without these, which are imported as soon as a function of theirs is called.

    Afterwards whoever imports these libraries gets them whole. One that is there already is left alone.
    """
    given = {name: _Library(name) for name in libraries if name not in sys.modules}
    sys.modules.update(given)
    homes = []
    try:
        for name, library in given.items():
            home, _, child = name.rpartition(".")
            if home and child not in vars(package := import_module(home)):
                setattr(package, child, library)
                homes.append((package, child))
        yield
    finally:
        for package, child in homes:
            delattr(package, child)
        for name in given:
            del sys.modules[name]
