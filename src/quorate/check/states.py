"""Exact states, numbered in the order in which they were met, and found again by hashing.

A state is a row of small numbers packed into one or a few words. The table holds the number of a
state at the place that its hash names, or at the next free place after it, and whole arrays of
states are looked up at once: that takes few random accesses for each, where sorting takes some
twenty comparisons. Rows are compared as they are, so that no two states are ever confused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
"""Rows, one in each column: `words[w, i]` is word `w` of row `i`."""
Numbers = npt.NDArray[np.int64]

WORD_BITS = 64
NUMBER_BITS_MAX = 31
LOAD_MAX = 0.6
BITS_MIN = 12
BLOCK = 1 << 18  # rows handled at a time where all of them are
_FREE = -1
_MIX = tuple(np.uint64(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9))


class Fields:
    """Where each column stands in the words of a row: `sizes` says how many values it has so far,
    and spare bits are shared out."""

    def __init__(self, sizes: list[int]) -> None:
        needs = [max(size - 1, 0).bit_length() for size in sizes]
        words: list[list[int]] = []
        for column in sorted(range(len(needs)), key=lambda c: -needs[c]):
            fits = (w for w in words if sum(needs[c] for c in w) + needs[column] <= WORD_BITS)
            word = next(fits, None)
            if word is None:
                words.append([column])
            else:
                word.append(column)
        self.width = len(words)
        self.word, self.shift, self.bits = ([0] * len(needs) for _ in range(3))
        for number, word in enumerate(words):
            at, spare = 0, WORD_BITS - sum(needs[c] for c in word)
            for done, column in enumerate(word):
                bits = min(needs[column] + spare // (len(word) - done), NUMBER_BITS_MAX)
                spare -= bits - needs[column]
                self.word[column], self.shift[column], self.bits[column] = number, at, bits
                at += bits

    def hold(self, sizes: list[int]) -> bool:
        """Whether each column has bits enough for so many values."""
        return all(size <= 1 << bits for size, bits in zip(sizes, self.bits, strict=True))

    def get(self, words: Words, column: int) -> Numbers:
        """A column of rows."""
        values = words[self.word[column]] >> np.uint64(self.shift[column])
        values &= np.uint64((1 << self.bits[column]) - 1)
        numbers: Numbers = values.view(np.int64)
        return numbers

    def step(self, difference: Numbers, column: int) -> npt.NDArray[np.uint64]:
        """What to add to a row's word, so that a column changes by `difference`."""
        return difference.view(np.uint64) << np.uint64(self.shift[column])

    def rows(self, words: Words) -> list[tuple[int, ...]]:
        """Rows as tuples."""
        columns = (self.get(words, column).tolist() for column in range(len(self.bits)))
        return list(zip(*columns, strict=True))

    def pack(self, columns: list[Numbers]) -> Words:
        """Rows from their columns."""
        words = np.zeros((self.width, columns[0].size), np.uint64)
        for column, values in enumerate(columns):
            words[self.word[column]] += self.step(values, column)
        return words


class States:
    """A set of rows that grows; `words[:, :len(states)]` holds them by number."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.words: Words = np.empty((fields.width, 1 << BITS_MIN), np.uint64)
        self._size = 0
        self._make_table(BITS_MIN)

    def __len__(self) -> int:
        return self._size

    def add(self, rows: Words) -> tuple[Numbers, Numbers]:
        """The number of each row, and the places in `rows` of those that are new, by number."""
        found = np.empty(rows.shape[1], np.int64)
        came = [np.empty(0, np.int64)]
        places = np.arange(rows.shape[1])
        slots = self._slots(rows)
        while places.size:
            at = self._table.take(slots).astype(np.int64)
            free = np.flatnonzero(at == _FREE)
            if free.size:
                if self._size + free.size > LOAD_MAX * self._table.size:
                    self._make_table(_bits_for(self._size + free.size))
                    slots = self._slots(rows)
                    continue
                won = free.take(self._claim(slots.take(free)))
                at[won] = np.arange(self._size, self._size + won.size)
                self._append(rows.take(won, axis=1))
                self._table[slots.take(won)] = at.take(won)
                at[free] = self._table.take(slots.take(free))
                came.append(places.take(won))
            same = self.words[0].take(at) == rows[0]
            for word, mine in zip(self.words[1:], rows[1:], strict=True):
                same &= word.take(at) == mine
            found[places[same]] = at[same]
            rest = np.flatnonzero(~same)
            places, rows = places.take(rest), rows.take(rest, axis=1)
            slots = (slots.take(rest) + 1) & (self._table.size - 1)
        return found, np.concatenate(came)

    def lay_out(self, fields: Fields) -> None:
        """Write all rows anew, where columns have more values than they had bits for."""
        words = np.empty((fields.width, self.words.shape[1]), np.uint64)
        for start in range(0, self._size, BLOCK):
            part = slice(start, min(start + BLOCK, self._size))
            columns = range(len(fields.bits))
            words[:, part] = fields.pack([self.fields.get(self.words[:, part], c) for c in columns])
        self.fields, self.words = fields, words
        self._make_table(_bits_for(self._size))

    def _append(self, rows: Words) -> None:
        room, size = self.words.shape[1], self._size + rows.shape[1]
        if size > room:
            words = np.empty((len(self.words), max(size, 2 * room)), np.uint64)
            words[:, : self._size] = self.words[:, : self._size]
            self.words = words
        self.words[:, self._size : size] = rows
        self._size = size

    def _make_table(self, bits: int) -> None:
        self._bits = bits
        self._table = np.full(1 << bits, _FREE, np.int32)
        for start in range(0, self._size, BLOCK):
            numbers = np.arange(start, min(start + BLOCK, self._size))
            slots = self._slots(self.words[:, start : start + numbers.size])
            while numbers.size:
                free = np.flatnonzero(self._table.take(slots) == _FREE)
                won = free.take(self._claim(slots.take(free)))
                self._table[slots.take(won)] = numbers.take(won)
                rest = np.ones(numbers.size, bool)
                rest[won] = False
                numbers, slots = numbers[rest], (slots[rest] + 1) & (self._table.size - 1)

    def _claim(self, slots: Numbers) -> Numbers:
        """The places of those who get a slot: the last of all that want the same."""
        mine = np.arange(slots.size, dtype=np.int32)
        self._table[slots] = mine
        return np.flatnonzero(self._table.take(slots) == mine)

    def _slots(self, rows: Words) -> Any:
        mixed = rows[0] * _MIX[0]
        for word in rows[1:]:
            mixed ^= mixed >> np.uint64(32)
            mixed += word
            mixed *= _MIX[0]
        mixed ^= mixed >> np.uint64(29)
        mixed *= _MIX[1]
        mixed >>= np.uint64(64 - self._bits)
        return mixed.view(np.int64)


def _bits_for(size: int) -> int:
    """Bits of a table that has room for twice as many."""
    return max(BITS_MIN, int(2 * size / LOAD_MAX).bit_length())
