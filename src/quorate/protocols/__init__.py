"""The catalogue: every protocol, found by the name of its module, described by its docstring.

The module is a file, or a package of several, which offers all that is in them.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
import traceback
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from quorate.kernel import Actor, Message, Property, UsageError, World, WorldMaker
from quorate.properties.cost import Pricing

SECTIONS = (
    "Problem",
    "Source",
    "Model",
    "Quorum",
    "Roles",
    "Messages",
    "Stable",
    "Guarantees",
    "Cost",
    "Deviations",
)
_SECTION = re.compile(rf"^({'|'.join(SECTIONS)})(?: +|$)", re.MULTILINE)
_ENTRY = re.compile(r"^  (\S+) +", re.MULTILINE)


class Protocol(msgspec.Struct, frozen=True):
    """What is known of a protocol: its code, and what its docstring says of it.

    `sections` holds the text of each section of the docstring, without its indentation;
    `actors` are the roles that the section Roles names, in that order; `quiet` are settings of the
    main world for a run without failures or rivals, and `cost` is what such a run costs.
    """

    name: str
    title: str
    summary: str
    module: str
    actors: tuple[type[Actor], ...]
    messages: tuple[type[Message], ...]
    properties: tuple[Property, ...]
    worlds: Mapping[str, WorldMaker]
    quiet: Mapping[str, object]
    cost: Pricing
    sections: Mapping[str, str]

    def entries(self, section: str) -> dict[str, str]:
        """A section of one entry a line (Roles, Messages, Stable): name to meaning."""
        pieces = _ENTRY.split("\n" + self.sections[section])[1:]
        return {name: _joined(text) for name, text in zip(pieces[::2], pieces[1::2], strict=True)}


def names() -> tuple[str, ...]:
    """The names of all protocols, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def sources(protocol: Protocol) -> tuple[Path, ...]:
    """The files with its code; that with the docstring comes first, the others are sorted."""
    file = inspect.getsourcefile(importlib.import_module(protocol.module))
    assert file is not None  # it was imported from there
    path = Path(file)
    if path.name != "__init__.py":
        return (path,)
    return (path, *sorted(other for other in path.parent.glob("*.py") if other != path))


def all_protocols() -> tuple[Protocol, ...]:
    """Every protocol, sorted by name."""
    return tuple(find(name) for name in names())


def find(name: str) -> Protocol:
    """The protocol of that name. Raises UsageError, with the names there are, for any other."""
    if name not in names():
        raise unknown("protocol", name, names())
    module = importlib.import_module(f"{__name__}.{name}")
    heading, _, body = inspect.cleandoc(module.__doc__ or "").partition("\n\n")
    title, _, summary = _joined(heading).partition(": ")
    sections = _sections(body)
    roles = _ENTRY.findall("\n" + sections.get("Roles", ""))
    return Protocol(
        name=name,
        title=title,
        summary=summary.rstrip("."),
        module=module.__name__,
        actors=tuple(getattr(module, role) for role in roles),
        messages=_plain(typing.get_args(module.Msg) or (module.Msg,)),
        properties=module.PROPERTIES,
        worlds=module.WORLDS,
        quiet=module.QUIET,
        cost=module.cost,
        sections=sections,
    )


def build_world(
    protocol: str,
    world: str = "main",
    settings: Mapping[str, object] = {},
    mutant: str | None = None,
) -> World:
    """A world of a protocol. Settings may be text: each is converted to what its parameter takes.

    Raises UsageError for a protocol, world, mutant, setting or value that does not exist.
    """
    maker = world_maker(protocol, world, mutant)
    hints = typing.get_type_hints(maker)
    defaults = settings_of(maker)
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in defaults:
            raise unknown(
                "setting", name, [f"{key}={default}" for key, default in defaults.items()]
            )
        try:
            values[name] = msgspec.convert(value, hints[name], strict=False)
        except msgspec.ValidationError:
            kind = getattr(hints[name], "__name__", hints[name])
            raise UsageError(f"setting {name}: {value!r} is not of type {kind}") from None
    return maker(**values)


def world_maker(protocol: str, world: str = "main", mutant: str | None = None) -> WorldMaker:
    """The function that makes a world of a protocol, or the world in which a mutant is caught."""
    worlds = worlds_of(protocol)
    if mutant is None:
        if world not in worlds:
            raise unknown("world", world, worlds)
        return worlds[world]
    if world != "main":
        raise UsageError(f"mutant {mutant} has a world of its own: leave out world {world!r}")
    # The mutants build on the protocols, so the catalogue may not need them to be imported.
    from quorate.mutants import find_mutants

    mutants = {each.name: each.world for each in find_mutants(protocol)}
    if mutant not in mutants:
        raise unknown("mutant", mutant, mutants)
    maker: WorldMaker = mutants[mutant]
    return maker


def worlds_of(protocol: str) -> Mapping[str, WorldMaker]:
    """The worlds of a protocol, which may also be a file of yours: `lock.py`.

    There a function `world` is enough; WORLDS may name several. Raises UsageError if there is none.
    """
    if not protocol.endswith(".py"):
        return find(protocol).worlds
    module = _load(Path(protocol).resolve())
    worlds = getattr(module, "WORLDS", None) or {"main": getattr(module, "world", None)}
    if not all(map(callable, worlds.values())):
        raise UsageError(f"{protocol} has no function `world` that returns a World, and no WORLDS")
    found: Mapping[str, WorldMaker] = worlds
    return found


def _load(path: Path) -> ModuleType:
    """The module in a file, run once."""
    name = f"{__name__}:{path}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"there is no file {path}")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)]
        where = "" if isinstance(error, SyntaxError) else f" in line {lines[-1]}"
        raise UsageError(f"{path}{where}: {type(error).__name__}: {error}") from error
    return module


def settings_of(maker: WorldMaker) -> dict[str, Any]:
    """The settings that a world takes, with their defaults."""
    return {name: each.default for name, each in inspect.signature(maker).parameters.items()}


def unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that does not exist: what it may have meant, and all there is."""
    options = list(known)
    near = difflib.get_close_matches(name, [option.partition("=")[0] for option in options], 3, 0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    there = ", ".join(options) if options else "none"
    return UsageError(f"there is no {what} {name!r}.{hint} There is: {there}")


def _plain(kinds: tuple[Any, ...]) -> tuple[type[Message], ...]:
    """Classes of message, whatever those that are generic are made of."""
    return tuple(typing.get_origin(kind) or kind for kind in kinds)


def _sections(body: str) -> dict[str, str]:
    pieces = _SECTION.split(body)[1:]
    return {
        name: text.strip("\n") if text.startswith("\n") else _joined(text)
        for name, text in zip(pieces[::2], pieces[1::2], strict=True)
    }


def _joined(text: str) -> str:
    return " ".join(text.split())
