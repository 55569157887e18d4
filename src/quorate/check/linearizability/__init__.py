"""Is a recorded history of concurrent operations linearizable?

A history is linearizable if each operation seems to take effect at one moment between its call and
its return (Herlihy and Wing, TOPLAS 12(3) 1990). Record one with `Recorder`, or read a log with
`read_history`; then `check_history(history, CasRegister())` gives the verdict, and of a violation
the longest order that explains a part of it. Objects that are not here are a `Model` away.
"""

from quorate.check.linearizability.history import (
    UNKNOWN,
    Entry,
    Operation,
    Recorder,
    operations_of,
    read_history,
)
from quorate.check.linearizability.models import (
    MODELS,
    CasRegister,
    FifoQueue,
    KeyValue,
    Lock,
    Model,
    Register,
)
from quorate.check.linearizability.report import report
from quorate.check.linearizability.search import Outcome, Stuck, check_history
