"""The lecture's part on Byzantine generals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from quorate.check.census import census
from quorate.check.hexagon import hexagon
from quorate.check.lockstep import Lockstep, Seat, staged
from quorate.check.model import Model
from quorate.kernel import Header, Network, NodeId, Trace
from quorate.lecture.claim import Claim, Finding, checked
from quorate.protocols import build_world
from quorate.protocols.byzantine_generals import Says, paths
from quorate.sim import Faults, simulate

GENERALS, SIGNED = "byzantine_generals", "signed_generals"
LAMPORT = "Lamport, Shostak and Pease, The Byzantine Generals Problem, TOPLAS 4(3) 1982"
SIZES = range(4, 11)

Lies = Mapping[tuple[NodeId, NodeId], str]
"""Who says to whom what he was not told."""


class Told(NamedTuple):
    """A run in the lecture's notation, message by message; what every loyal lieutenant was told, by
    path; what each obeys; and the run itself."""

    said: str
    told: dict[NodeId, Any]
    obeyed: dict[NodeId, str]
    trace: Trace


def tell(generals: int, traitor: NodeId, order: str, lies: Lies) -> Told:
    """Let the generals talk, of whom one says at times something else."""
    settings = {"generals": generals, "order": order, "traitors": ""}
    header = Header(protocol=GENERALS, settings=settings, executor="check")
    world = build_world(GENERALS, "main", settings)
    names = [process.me for process in world.processes]
    model = Model(world, Network.FIFO, 0)
    said: list[str] = []

    def twisted(seat: int, to: NodeId, message: Any) -> Says:
        told = lies.get((names[seat], to), message.order) if names[seat] == traitor else None
        spoken = Says(told or message.order, message.path)
        said.append(f"{names[seat]}→{to} {spoken!r}")
        return spoken

    seats = [Seat(model, number) for number in range(generals)]
    run = Lockstep(seats, lambda _, to: names.index(to), twisted)
    loyal = {number: number for number, name in enumerate(names) if name != traitor}
    trace = staged(world, run, loyal, frozenset({traitor}), header).trace
    lieutenants: dict[NodeId, Any] = {
        names[seat]: run.actor(seat) for seat in loyal if names[seat] != names[0]
    }
    return Told(
        ", ".join(said),
        {name: each.told for name, each in lieutenants.items()},
        {name: each.verdict() for name, each in lieutenants.items()},
        trace,
    )


def _says(what: str, expected: str, told: Told, claim: str) -> Finding:
    return Finding(
        what=what,
        expected=expected,
        found=told.said,
        command=f"quorate lecture {claim}",
        trace=told.trace,
    )


def _three() -> tuple[Finding, ...]:
    name = "three-generals"
    subordinate = tell(3, "p3", "v", {("p3", "p2"): "u"})
    commander = tell(3, "p1", "v", {("p1", "p2"): "w", ("p1", "p3"): "x"})
    alike = tell(3, "p1", "v", {("p1", "p3"): "u"})
    same = subordinate.told["p2"] == alike.told["p2"]
    return (
        _says(
            "p3 is faulty",
            "p1→p2 1:v, p1→p3 1:v, p2→p3 2:1:v, p3→p2 3:1:u",
            subordinate,
            name,
        ),
        _says(
            "p1, who commands, is faulty",
            "p1→p2 1:w, p1→p3 1:x, p2→p3 2:1:w, p3→p2 3:1:x",
            commander,
            name,
        ),
        Finding(
            what="what p2 is told in the first case, and in the second with w = v and x = u",
            expected="the same",
            found="the same" if same else "something else",
            detail="so it does the same in both",
        ),
    )


def _impossible() -> tuple[Finding, ...]:
    found = census()
    headers = [
        Header(protocol=GENERALS, world="three", settings={"order": order}, executor="check")
        for order in ("attack", "retreat")
    ]
    one, two = (build_world(h.protocol, h.world, h.settings) for h in headers)
    scene = next(
        scene.staged
        for scene in hexagon((one, two), (headers[0], headers[1]))
        if scene.staged and scene.staged.violated
    )
    return (
        Finding(
            what="of all deterministic protocols of two rounds, those that withstand a traitor",
            expected="0",
            found=str(found.survive),
            detail=f"of {found.protocols:,}",
            command="quorate impossible",
        ),
        Finding(
            what="how oral messages among three fail, as for any protocol for three",
            expected="agreement, obedience",
            found=", ".join(scene.violated),
            command=f"quorate impossible {GENERALS}",
            trace=scene.trace,
        ),
        *(
            checked(
                f"three generals, of whom {traitor} may say anything",
                GENERALS,
                "obedience",
                "violated",
                world="main",
                settings={"generals": 3, "traitors": traitor},
            )
            for traitor in ("p2", "p3")
        ),
    )


def _four() -> tuple[Finding, ...]:
    name = "four-generals"
    subordinate = tell(4, "p3", "v", {("p3", "p2"): "u", ("p3", "p4"): "w"})
    lies = {("p1", "p2"): "u", ("p1", "p3"): "w", ("p1", "p4"): "v"}
    commander = tell(4, "p1", "v", lies)
    return (
        _says(
            "p3 is faulty",
            "p1→p2 1:v, p1→p3 1:v, p1→p4 1:v, p2→p3 2:1:v, p2→p4 2:1:v, "
            "p3→p2 3:1:u, p3→p4 3:1:w, p4→p2 4:1:v, p4→p3 4:1:v",
            subordinate,
            name,
        ),
        _obey("by vote", subordinate, "p2: v, p4: v"),
        _says(
            "p1, who commands, is faulty",
            "p1→p2 1:u, p1→p3 1:w, p1→p4 1:v, p2→p3 2:1:u, p2→p4 2:1:u, "
            "p3→p2 3:1:w, p3→p4 3:1:w, p4→p2 4:1:v, p4→p3 4:1:v",
            commander,
            name,
        ),
        _obey("no order has a majority", commander, "p2: retreat, p3: retreat, p4: retreat"),
        *(
            checked(
                f"every behaviour of {traitor}",
                GENERALS,
                judged,
                "holds",
                world="main",
                settings={"traitors": traitor},
            )
            for traitor in ("p1", "p2")
            for judged in ("agreement", "obedience")
        ),
    )


def _obey(what: str, told: Told, expected: str) -> Finding:
    found = ", ".join(f"{name}: {order}" for name, order in told.obeyed.items())
    return Finding(what=f"what the loyal lieutenants obey, {what}", expected=expected, found=found)


def _messages() -> tuple[Finding, ...]:
    calm = Faults(unsafe_ms=0, delay_us=(1_000, 1_000))
    findings = []
    for faults in (1, 2):
        counts = []
        for generals in SIZES:
            settings = {"generals": generals, "faults": faults, "traitors": ""}
            world = build_world(GENERALS, "main", settings)
            counts.append(simulate(world, seed=0, faults=calm).deliveries)
        findings.append(
            Finding(
                what=f"messages of {SIZES[0]} to {SIZES[-1]} generals in {faults + 1} rounds",
                expected=", ".join(str(paths(n, faults + 1)) for n in SIZES),
                found=", ".join(map(str, counts)),
                command=f"quorate bench cost {GENERALS}",
            )
        )
    return tuple(findings)


CLAIMS = (
    Claim(
        name="one-third-is-too-many",
        section="Lamport’s 1982 Result, Generalized by Pease",
        says="No three can agree if one of them may lie, not even with synchronous messages.",
        source=f"{LAMPORT}, section 2; Fischer, Lynch and Merritt, Easy Impossibility Proofs, 1986",
        protocols=(GENERALS,),
        show=_impossible,
    ),
    Claim(
        name="three-generals",
        section="Impossibility with three byzantine generals",
        says="A subordinate cannot tell a faulty commander from a faulty subordinate.",
        source=f"{LAMPORT}, section 1, figures 1 and 2",
        protocols=(GENERALS,),
        show=_three,
    ),
    Claim(
        name="four-generals",
        section="Solution with four byzantine generals",
        says="Of four generals one may lie: the others vote.",
        source=f"{LAMPORT}, section 3, figures 3 and 4",
        protocols=(GENERALS,),
        show=_four,
    ),
    Claim(
        name="only-in-step",
        section="Summary: Byzantine Consensus",
        says="It works only if communication is synchronous.",
        source=f"{LAMPORT}, section 3, assumption A3",
        protocols=(GENERALS,),
        show=lambda: (
            checked("messages that come in their round", GENERALS, "agreement", "holds"),
            checked(
                "messages that may come late, though nobody lies",
                GENERALS,
                "agreement",
                "violated",
                world="main",
                settings={"generals": 3, "traitors": ""},
                network=Network.FIFO,
            ),
        ),
    ),
    Claim(
        name="one-round-more-than-traitors",
        section="Summary: Byzantine Consensus",
        says="As in fail-stop consensus, f faults take f + 1 rounds.",
        source="Dolev and Strong, Authenticated Algorithms for Byzantine Agreement, 1983",
        protocols=(GENERALS, SIGNED),
        show=lambda: (
            checked(
                "one round, and a traitor",
                GENERALS,
                "agreement",
                "violated",
                settings={"faults": 0},
            ),
            checked("two rounds", GENERALS, "agreement", "holds"),
            checked(
                "signed messages, two rounds, and two traitors",
                SIGNED,
                "agreement",
                "violated",
                world="main",
                settings={"traitors": "p1,p3"},
            ),
            checked(
                "three rounds",
                SIGNED,
                "agreement",
                "holds",
                world="main",
                settings={"traitors": "p1,p3", "faults": 2},
            ),
        ),
    ),
    Claim(
        name="exponentially-many-messages",
        section="Summary: Byzantine Consensus",
        says="The number of messages grows exponentially with the number of rounds.",
        source=f"{LAMPORT}, section 3",
        protocols=(GENERALS,),
        show=_messages,
    ),
    Claim(
        name="signatures-make-it-easier",
        section="Summary: Byzantine Consensus",
        says="Signed messages make the problem easier: in step, even three can withstand one.",
        source=f"{LAMPORT}, section 4",
        protocols=(SIGNED, GENERALS),
        show=lambda: (
            checked("three generals who sign, a traitor commands", SIGNED, "agreement", "holds"),
            checked(
                "a lieutenant is the traitor",
                SIGNED,
                "obedience",
                "holds",
                settings={"traitors": "p3"},
            ),
            checked(
                "three generals who do not sign",
                GENERALS,
                "obedience",
                "violated",
                world="main",
                settings={"generals": 3, "traitors": "p3"},
            ),
        ),
    ),
)
