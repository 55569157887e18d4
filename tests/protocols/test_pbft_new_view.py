"""What a new view begins with: vectors, of which some are bugs of other systems, and all of S."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.kernel import NodeId
from quorate.protocols.pbft.messages import NULL, Beginning, Group, Past, Vote, group_of
from quorate.protocols.pbft.new_view import checkpoint, choose, is_well_formed, request

FOUR = group_of(4, signed=False, interval=5, window=20, views=0, resends=True)
Votes = Mapping[int, tuple[bytes, int]]


def past(
    stable: int = 0,
    checkpoints: Mapping[int, bytes] | None = None,
    prepared: Votes | None = None,
    pre_prepared: Mapping[tuple[int, bytes], int] | None = None,
    view: int = 9,
) -> Past:
    return Past(
        view,
        stable,
        tuple((checkpoints or {0: b"g"}).items()),
        tuple((seq, Vote(at, digest)) for seq, (digest, at) in (prepared or {}).items()),
        tuple((seq, Vote(at, digest)) for (seq, digest), at in (pre_prepared or {}).items()),
    )


def said(*pasts: Past) -> dict[NodeId, Past]:
    return {f"r{i}": each for i, each in enumerate(pasts, start=1)}


def prepared(digest: bytes, view: int, seq: int = 1, **more: int) -> Past:
    also = {(seq, name.encode()): at for name, at in more.items()}
    return past(0, None, {seq: (digest, view)}, {(seq, digest): view, **also})


EMPTY = past()


# Checkpoints.


def test_a_checkpoint_that_f_plus_1_list_is_enough() -> None:
    # indy-plenum 1506: with 2f + 1 in place of f + 1 there is none to choose here, for ever.
    pasts = said(past(10, {10: b"x", 20: b"y"}), past(0, {0: b"g", 10: b"x"}), past(0, {0: b"g"}))
    assert checkpoint(FOUR, pasts) == (10, b"x")
    having = [
        [n for n, p in pasts.items() if each in p.checkpoints] for each in ((0, b"g"), (10, b"x"))
    ]
    assert not any(FOUR.strong.won(frozenset(nodes)) for nodes in having)


def test_a_checkpoint_that_is_not_stable_anywhere_is_chosen_if_all_have_it() -> None:
    pasts = said(*[past(5, {10: b"ten"})] * 3)
    assert checkpoint(FOUR, pasts) == (10, b"ten")
    assert request(FOUR, pasts, 11) == NULL
    assert choose(FOUR, pasts) == Beginning(10, b"ten")


def test_those_that_can_start_from_a_checkpoint_are_counted_among_all() -> None:
    # Fabric 1111: counted among those only that list it, they are two, and the view never begins.
    pasts = said(past(5, {10: b"ten"}), past(5, {10: b"ten"}), past(10, {15: b"fifteen"}))
    assert checkpoint(FOUR, pasts) == (10, b"ten")
    among = {n: p for n, p in pasts.items() if (10, b"ten") in p.checkpoints}
    assert checkpoint(FOUR, among) is None


def test_a_checkpoint_that_too_many_have_forgotten_is_not_chosen() -> None:
    pasts = said(past(0), past(0), past(5, {5: b"x"}))
    assert checkpoint(FOUR, pasts) is None
    assert choose(FOUR, pasts) is None
    assert checkpoint(FOUR, {**pasts, "r4": past(0)}) == (0, b"g")


def test_f_that_list_a_checkpoint_prove_nothing() -> None:
    assert checkpoint(FOUR, said(past(0, {0: b"g", 20: b"lie"}), EMPTY, EMPTY)) == (0, b"g")


# Requests.


def test_one_that_claims_another_digest_of_the_same_view_cannot_be_told_from_the_others() -> None:
    good, liar = prepared(b"d", 0), prepared(b"e", 0)
    assert request(FOUR, said(good, good, liar), 1) is None
    assert choose(FOUR, said(good, good, liar)) is None
    assert choose(FOUR, said(good, good, good, liar)) == Beginning(0, b"g", (b"d",))


def test_what_one_alone_says_was_prepared_in_a_high_view_is_not_chosen() -> None:
    liar = prepared(b"e", 5)
    assert request(FOUR, said(EMPTY, EMPTY, liar), 1) is None
    assert choose(FOUR, said(EMPTY, EMPTY, EMPTY, liar)) == Beginning(0, b"g")


def test_the_latest_view_wins() -> None:
    earlier, later = prepared(b"a", 0), prepared(b"b", 1, a=0)
    assert request(FOUR, said(earlier, later, later), 1) == b"b"


def test_what_one_prepared_counts_once_another_has_pre_prepared_it() -> None:
    one, other = prepared(b"a", 0), past(pre_prepared={(1, b"a"): 0})
    assert request(FOUR, said(one, other, EMPTY), 1) == b"a"
    assert request(FOUR, said(other, EMPTY, EMPTY), 1) == NULL
    assert request(FOUR, said(one, EMPTY, EMPTY), 1) is None


def test_gaps_are_filled_and_null_requests_at_the_end_are_left_out() -> None:
    two, three = prepared(b"b", 0, seq=2), prepared(b"b", 0, seq=2)
    assert choose(FOUR, said(two, three, EMPTY)) == Beginning(0, b"g", (NULL, b"b"))
    forged = past(prepared={7: (b"x", 0)})
    assert choose(FOUR, said(EMPTY, EMPTY, EMPTY, forged)) == Beginning(0, b"g")


# Against another derivation of the rules: by sets of messages, as the paper has them.

DIGESTS = [b"a", b"b"]


@st.composite
def pasts_of(draw: st.DrawFn) -> Past:
    stable = draw(st.integers(0, 2))
    listed = draw(st.dictionaries(st.integers(stable, 3), st.sampled_from(DIGESTS), max_size=3))
    seqs, views = st.integers(stable + 1, 3 + stable), st.integers(0, 2)
    some = draw(st.dictionaries(seqs, st.tuples(st.sampled_from(DIGESTS), views), max_size=2))
    keys = st.tuples(seqs, st.sampled_from(DIGESTS))
    return past(stable, listed, some, draw(st.dictionaries(keys, views, max_size=4)), view=3)


def quorums(pasts: Mapping[NodeId, Past], size: int) -> Iterator[list[Past]]:
    """Every set of so many messages of S."""
    for names in combinations(sorted(pasts), size):
        yield [pasts[name] for name in names]


def may_begin_at(pasts: Mapping[NodeId, Past], n: int, f: int) -> set[tuple[int, bytes]]:
    listed = {each for p in pasts.values() for each in p.checkpoints}
    return {
        (seq, digest)
        for seq, digest in listed
        if any(all((seq, digest) in p.checkpoints for p in some) for some in quorums(pasts, f + 1))
        and any(all(p.stable <= seq for p in some) for some in quorums(pasts, -(-(n + f + 1) // 2)))
    }


def may_hold(pasts: Mapping[NodeId, Past], n: int, f: int, seq: int) -> list[tuple[int, bytes]]:
    """The (view, digest) that conditions A1 and A2 admit, and (-1, null) for condition B."""
    strong = -(-(n + f + 1) // 2)

    def last(p: Past) -> tuple[int, bytes] | None:
        return next(((v.view, v.digest) for at, v in p.prepared if at == seq), None)

    def a1(some: list[Past], view: int, digest: bytes) -> bool:
        ok = ((-1, b"") if last(p) is None else last(p) for p in some)
        fine = all(it is not None and (it[0] < view or it == (view, digest)) for it in ok)
        return fine and all(p.stable < seq for p in some)

    def a2(some: list[Past], view: int, digest: bytes) -> bool:
        return all(
            any(at == seq and v.digest == digest and v.view >= view for at, v in p.pre_prepared)
            for p in some
        )

    fit = [
        claim
        for claim in {last(p) for p in pasts.values()}
        if claim is not None
        and any(a1(some, *claim) for some in quorums(pasts, strong))
        and any(a2(some, *claim) for some in quorums(pasts, f + 1))
    ]
    if not fit and any(
        all(p.stable < seq and last(p) is None for p in some) for some in quorums(pasts, strong)
    ):
        fit.append((-1, NULL))
    return fit


@pytest.mark.slow
@given(st.sampled_from([4, 4, 5, 6]), st.data())
def test_the_choice_is_what_the_rules_of_the_paper_admit(n: int, data: st.DataObject) -> None:
    group: Group = group_of(n, signed=False, interval=1, window=3, views=0, resends=True)
    size = data.draw(st.integers(n - 2, n))
    pasts = said(*data.draw(st.lists(pasts_of(), min_size=size, max_size=size)))
    f = (n - 1) // 3
    starts = may_begin_at(pasts, n, f)
    assert checkpoint(group, pasts) == max(starts, default=None)
    for seq in range(1, 5):
        fit = may_hold(pasts, n, f, seq)
        assert request(group, pasts, seq) == (max(fit)[1] if fit else None)
    choice = choose(group, pasts)
    if choice is not None:
        assert all(
            digest == max(may_hold(pasts, n, f, seq))[1]
            for seq, digest in enumerate(choice.digests, choice.seq + 1)
        )


# Well-formedness: what a correct replica may say as it leaves for a view.


@pytest.mark.parametrize(
    "bad",
    [
        prepared(b"a", 9),  # a vote of the view that it leaves for
        prepared(b"a", -1),
        prepared(b"a", 0, seq=21),  # above the window
        past(5, {5: b"x"}, {5: (b"a", 0)}),  # not above the stable checkpoint
        past(5, {4: b"x"}),
        past(-1),
        Past(9, 0, ((0, b"g"), (0, b"h")), (), ()),
        Past(9, 0, ((0, b"g"),), ((1, Vote(0, b"a")), (1, Vote(1, b"b"))), ()),
        Past(9, 0, ((0, b"g"),), (), ((1, Vote(0, b"a")), (1, Vote(1, b"a")))),
    ],
)
def test_what_no_correct_replica_says_is_refused(bad: Past) -> None:
    assert not is_well_formed(FOUR, bad)


def test_what_a_correct_replica_says_is_not_refused() -> None:
    assert is_well_formed(FOUR, prepared(b"a", 8, seq=20, b=3))
