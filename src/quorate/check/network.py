"""Networks of the checker: what is in flight, as a hashable value, and what can be delivered."""

from __future__ import annotations

from typing import Any

from quorate.check.model import Model
from quorate.kernel import Network


class SetNetwork:
    """Messages stay for ever, as bits of a number: loss, duplication and reordering come free."""

    empty: Any = 0

    def __init__(self, model: Model) -> None:
        self._members: dict[int, tuple[tuple[int, Any], ...]] = {}

    def add(self, net: int, sent: tuple[int, ...]) -> int:
        for envelope in sent:
            net |= 1 << envelope
        return net

    def deliverable(self, net: int) -> tuple[tuple[int, Any], ...]:
        """Envelopes that may arrive, each with the network afterwards."""
        known = self._members.get(net)
        if known is None:
            present = [bit for bit in range(net.bit_length()) if net >> bit & 1]
            known = self._members[net] = tuple((envelope, net) for envelope in present)
        return known


class MultisetNetwork:
    """Each copy arrives once at most, in any order; a copy that never arrives is still there."""

    empty: Any = ()

    def __init__(self, model: Model) -> None:
        pass

    def add(self, net: tuple[int, ...], sent: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(net + sent)) if sent else net

    def deliverable(self, net: tuple[int, ...]) -> list[tuple[int, Any]]:
        """Envelopes that may arrive, each with the network afterwards."""
        firsts = {envelope: at for at, envelope in reversed(list(enumerate(net)))}
        return [(e, net[: firsts[e]] + net[firsts[e] + 1 :]) for e in sorted(firsts)]


class FifoNetwork:
    """Each link is a queue; what was sent first arrives first, and everything can arrive."""

    empty: Any = ()

    def __init__(self, model: Model) -> None:
        self._model = model

    def add(self, net: tuple[int, ...], sent: tuple[int, ...]) -> tuple[int, ...]:
        # One canonical order: by link, and within a link by age. Sorting is stable.
        return tuple(sorted(net + sent, key=self._link)) if sent else net

    def deliverable(self, net: tuple[int, ...]) -> list[tuple[int, Any]]:
        """Envelopes that may arrive, each with the network afterwards."""
        found, links = [], set()
        for at, envelope in enumerate(net):
            link = self._link(envelope)
            if link not in links:
                links.add(link)
                found.append((envelope, net[:at] + net[at + 1 :]))
        return found

    def _link(self, envelope: int) -> tuple[str, str]:
        src, to, _ = self._model.envelopes[envelope]
        return src, to


NETWORKS = {
    Network.SET: SetNetwork,
    Network.MULTISET: MultisetNetwork,
    Network.FIFO: FifoNetwork,
}
