"""Is a recorded history of concurrent operations linearizable?

Record a history with `Recorder`, or read a log with `read_history`; then
`check_history(history, CasRegister())` gives the verdict, and of a violation the longest order that
explains a part of it. Objects that are not here are a `Model` away. In a world, the observer
`History` sees what clients state by `Called` and `Returned`, and `linearizable(model)` judges it.
"""

from quorate.check.linearizability.history import Entry, Recorder, operations_of, read_history
from quorate.check.linearizability.report import report
from quorate.properties.linearizable import (
    STEPS_MAX,
    Called,
    History,
    Outcome,
    Returned,
    Stuck,
    check_history,
    linearizable,
)
from quorate.properties.objects import (
    MODELS,
    UNKNOWN,
    CasRegister,
    FifoQueue,
    KeyValue,
    Lock,
    Model,
    Operation,
    Register,
)
