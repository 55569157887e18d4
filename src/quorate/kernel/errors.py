"""The four ways to go wrong, kept apart because each asks something else of the reader."""

from __future__ import annotations


class QuorateError(Exception):
    """Base of every error that Quorate raises on purpose."""


class UsageError(QuorateError):
    """The caller erred: the text names what was wrong and what to do."""


class BadMessage(QuorateError):
    """A peer or client erred: the bytes are dropped and counted, never a crash."""


class ProtocolBug(QuorateError):
    """An invariant of a protocol broke: the actor stops and does nothing further."""


class StorageError(QuorateError):
    """The disk failed or its content cannot be trusted: the node stops."""
