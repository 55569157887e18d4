"""Nodes that say what is right, but not to all, not in time, or again and again."""

from __future__ import annotations

from typing import Self

from quorate.adversary.strategy import Strategy, letter_of
from quorate.kernel import By, Effect, Event, Process, SetTimer, Timeout, core

DELAY_MS = (50, 450)
TIMER = "adversary"
LETTERS_MAX, REPEATED = 200, 10


class Selective(Strategy, gc=False):
    """Sends to every second node only: to the others it is silent."""

    def act(self, event: Event, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        left_out = self.others[1::2]
        letters = ((effect, letter_of(self.me, effect)) for effect in effects)
        return tuple(e for e, letter in letters if letter is None or letter[1] not in left_out)


class Delayer(Strategy, gc=False):
    """Sends everything later than it could: just before others would lose patience."""

    def step(self, event: Event) -> tuple[Self, tuple[Effect, ...]]:
        inner = core(event)
        if type(inner) is Timeout and inner.timer == TIMER:
            new: Self = self.__copy__()  # type: ignore[attr-defined]
            new.letters = ()
            return new, tuple(self.posted(letter) for letter in self.letters)
        return super().step(event)

    def act(self, event: Event, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        letters = [letter_of(self.me, effect) for effect in effects]
        held = tuple(letter for letter in letters if letter is not None)
        rest = tuple(e for e, letter in zip(effects, letters, strict=True) if letter is None)
        if held and not self.letters:
            timer = SetTimer(TIMER, DELAY_MS)
            rest += (By(held[0][0], timer) if isinstance(self, Process) else timer,)
        self.letters = (self.letters + held)[-LETTERS_MAX:]
        return rest


class Replayer(Strategy, gc=False):
    """Whenever one of its timers runs out, it says again what it said before: some of it to whom
    it was said, and to another node."""

    def act(self, event: Event, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        again: list[Effect] = []
        if type(core(event)) is Timeout:
            for role, to, msg in self.letters[:REPEATED]:
                other = self.others[(self.others.index(to) + 1) % len(self.others)]
                again += [self.posted((role, to, msg)), self.posted((role, other, msg))]
            self.letters = self.letters[REPEATED:] + self.letters[:REPEATED]
        letters = [letter_of(self.me, effect) for effect in effects]
        said = tuple(each for each in letters if each is not None and each[1] in self.others)
        self.letters = (self.letters + said)[-LETTERS_MAX:]
        return (*effects, *again)
