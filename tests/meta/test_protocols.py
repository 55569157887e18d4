"""Every protocol's docstring, against its code; and every reason to ignore, against its runs."""

from __future__ import annotations

import ast
import importlib
import typing
from pathlib import Path

import pytest

from meta import source
from meta.source import PACKAGE, ROOT, tree
from quorate.kernel import Actor, Header, Message, Property, World, messages_of, plan_of, roles_of
from quorate.protocols import SECTIONS, Protocol, all_protocols, build_world, names, sources
from quorate.sim import Faults, simulate

SEEDS = 40

every_protocol = pytest.mark.parametrize("protocol", all_protocols(), ids=lambda p: p.name)


@every_protocol
def test_the_docstring_has_every_section_in_order(protocol: Protocol) -> None:
    assert tuple(protocol.sections) == SECTIONS
    assert all(protocol.sections.values())
    assert protocol.title
    assert protocol.summary


@every_protocol
def test_roles_lists_the_actors_of_the_module(protocol: Protocol) -> None:
    """All that are in its files, but for a part of a role: a class that another one completes."""
    mine = {
        thing
        for path in sources(protocol)
        for thing in vars(importlib.import_module(source.module(path))).values()
        if isinstance(thing, type)
        and issubclass(thing, Actor)
        and thing.__module__.startswith(protocol.module)
    }
    parts = {base for actor in mine for base in actor.__mro__[1:]}
    assert mine - parts <= set(protocol.actors)
    assert all(issubclass(actor, Actor) for actor in protocol.actors)


@every_protocol
def test_messages_lists_exactly_the_union_of_messages_in_order(protocol: Protocol) -> None:
    assert list(protocol.entries("Messages")) == [m.__name__ for m in protocol.messages]
    assert all(issubclass(message, Message) for message in protocol.messages)


@every_protocol
def test_every_message_has_a_role_that_handles_it_and_no_handler_is_an_orphan(
    protocol: Protocol,
) -> None:
    handled = {kind for actor in protocol.actors for kind in plan_of(actor).handlers}
    assert handled == set(protocol.messages)


@every_protocol
def test_stable_lists_exactly_the_durable_fields(protocol: Protocol) -> None:
    durable = {
        f"{actor.__name__}.{field}"
        for actor in protocol.actors
        for field in (*plan_of(actor).stable, *plan_of(actor).lazy)
    }
    assert set(protocol.entries("Stable")) == durable


@every_protocol
def test_guarantees_names_exactly_the_properties(protocol: Protocol) -> None:
    homes = [importlib.import_module(f"quorate.properties.{path.stem}") for path in PROPERTIES]
    known = {
        id(thing): name
        for home in homes
        for name, thing in vars(home).items()
        if isinstance(thing, Property)
    }
    named = protocol.sections["Guarantees"].split(", ")
    assert named == [known[id(prop)] for prop in protocol.properties]
    assert all(isinstance(prop, Property) for prop in protocol.properties)


PROPERTIES = sorted((PACKAGE / "properties").glob("[!_]*.py"))


@every_protocol
def test_every_world_can_be_built_from_its_defaults(protocol: Protocol) -> None:
    for name in protocol.worlds:
        world = build_world(protocol.name, name)
        roles = {type(role) for process in world.processes for role in roles_of(process)}
        assert roles <= set(protocol.actors)
        handled = {typing.get_origin(kind) or kind for kind in messages_of(world.processes)}
        assert handled <= set(protocol.messages)
        assert world.properties
    assert "main" in protocol.worlds


@every_protocol
def test_the_glossary_has_its_roles_and_messages(protocol: Protocol) -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    for kind in (*protocol.actors, *protocol.messages):
        assert f"`{kind.__name__}`" in glossary, "make docs"


def reasons(path: Path) -> set[str]:
    """The texts that a protocol gives to ctx.ignore."""
    return {
        node.args[0].value
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "ignore"
        and isinstance(node.args[0], ast.Constant)
    }


@every_protocol
def test_every_reason_to_ignore_an_event_occurs(protocol: Protocol) -> None:
    """In a seeded run of one of its worlds, or word for word in a test of the protocol."""
    others = {f"test_{name}" for name in names()} - {f"test_{protocol.name}"}
    found = (ROOT / "tests" / "protocols").glob(f"test_{protocol.name}*.py")
    tests = [path for path in found if path.stem not in others]
    missing = {reason for path in sources(protocol) for reason in reasons(path)}
    text = "".join(path.read_text() for path in tests)
    missing = {reason for reason in missing if f'Ignore("{reason}")' not in text}
    worlds = [build_world(protocol.name, name) for name in protocol.worlds]
    for seed in range(SEEDS):
        for world in worlds:
            if not missing:
                return
            missing -= ignored(world, seed)
    assert not missing


def ignored(world: World, seed: int) -> set[str]:
    faults = Faults.swarm(seed, unsafe_ms=5_000)
    header = Header(protocol="", executor="sim")
    trace = simulate(world, seed=seed, faults=faults, header=header, steps_max=5_000).trace
    assert trace is not None
    parts = (part for record in trace.records for part in record.line.split(" | "))
    return {part.partition("ignored: ")[2] for part in parts if "ignored: " in part}
