"""Our own errors out of what Ray wraps around them.

An exception of a task, an actor or a Ray Data block arrives as a `RayTaskError`, or as a class that Ray makes of it and
of the exception's own class: that passes `isinstance` for our error and prints a traceback. Whatever catches an error
that crossed a process asks here for the original.
"""

from __future__ import annotations

from assay.errors import AssayError, ClusterFault

ADVICE = ("To change retry attempts", "Failed to apply UDF transform")
LONGEST = 300  # characters of a foreign message that are kept


def original(error: BaseException) -> BaseException:
    """Return the exception that was raised in the other process: ours where there is one, else the innermost cause."""
    from ray.exceptions import RayError

    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, AssayError) and not isinstance(error, RayError):
            return error
        within = getattr(error, "cause", None) or error.__cause__ or _only_argument(error)
        if not isinstance(within, BaseException):
            return _plain(error)
        error = within
    return error


def _only_argument(error: BaseException) -> BaseException | None:
    only = error.args[0] if len(error.args) == 1 else None
    return only if isinstance(only, BaseException) else None


def _plain(error: BaseException) -> BaseException:
    """Return our error of a class that Ray made, which holds our faults, as the class that we raised."""
    if isinstance(error, AssayError):
        ours: type[AssayError] = next(base for base in type(error).__mro__ if base.__module__ == AssayError.__module__)
        return ours(*error.faults)
    return error


def as_fault(error: BaseException, place: str, fix: str = "try again") -> AssayError:
    """Return the error to raise for one that a worker raised: ours as it was, else a fault of the cluster."""
    found = original(error)
    if isinstance(found, AssayError):
        return found
    return ClusterFault.at(place, f"a worker failed ({described(found)})", fix)


def described(error: BaseException) -> str:
    """Return the class and the last line of a foreign error."""
    return f"{type(error).__name__}: {last_line(error)}"


def last_line(error: BaseException) -> str:
    """Return the last line of a foreign error that Ray did not add as advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    own = [line for line in lines if not line.startswith(ADVICE)]
    return (own or lines or [""])[-1][:LONGEST]
