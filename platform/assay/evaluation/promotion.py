"""Whether a challenger takes over from the champion: a pure function of what both did on rows that neither saw.

It takes over when the 95 % interval of its gain, by the paired bootstrap, lies above 0, the gain reaches `min_gain`,
and no guard fails. A guard fails where the challenger is worse by more than chance and by more than TOLERANCE:
any challenger is worse at something by chance, and on many rows any difference is more than chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from assay.evaluation.bootstrap import gain_interval, row_counts
from assay.evaluation.calibration import losses
from assay.evaluation.slices import Slice
from assay.parts import Json, Metric
from assay.spec.retraining import RetrainSpec

NUM_RESAMPLES = 2_000
MAX_COUNTS = 200_000_000  # resamples x rows that are held in memory
MIN_RESAMPLES = 500
ALPHA = 0.05  # two-sided, as everywhere
TOLERANCE = 0.01  # share of the champion's loss that a guard lets pass
ECE_TOLERANCE = 0.005  # in probability
NUM_BINS = 10  # of confidence
FAST_MS = 5.0  # below, no answer is slow


@dataclass(frozen=True)
class Side:
    """One of two models: what it takes and gives, and what it did on the rows that judge both."""

    prediction_NK: np.ndarray  # of the champion's classes, in their order
    weighed_NK: np.ndarray  # the same with its threshold, for metrics that judge answers
    columns: tuple[tuple[str, str], ...]  # name and kind of each that it reads
    classes: tuple[str, ...]
    latency_ms: float  # 95th percentile for one row


@dataclass(frozen=True)
class Check:
    """One condition of a promotion, in words and numbers."""

    name: str
    passed: bool
    told: str
    numbers: Json = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return plain data; a number that is not finite becomes null."""
        plain = {key: _plain(value) for key, value in self.numbers.items()}
        return {"name": self.name, "passed": self.passed, "told": self.told, **plain}


@dataclass(frozen=True)
class Verdict:
    """Every condition; the challenger takes over when all are met."""

    checks: tuple[Check, ...]

    @property
    def promote(self) -> bool:
        """Whether the challenger takes over."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> list[str]:
        """Why it does not take over; empty when it does."""
        return [f"{check.name}: {check.told}" for check in self.checks if not check.passed]

    def to_json(self) -> Json:
        """Return plain data."""
        return {
            "promote": self.promote,
            "reasons": self.reasons,
            "checks": [check.to_json() for check in self.checks],
        }


def judge(
    champion: Side,
    challenger: Side,
    y_N: np.ndarray,
    metric: Metric,
    slices: Sequence[Slice],
    rule: RetrainSpec,
    seed: int,
) -> Verdict:
    """Hold a challenger against the champion on N rows that neither saw.

    `y_N` are codes of the champion's classes, or numbers.
    """
    outside = (_schema(champion, challenger), _latency(champion, challenger, rule))
    if (few := enough(len(y_N), rule)) is not None:
        return Verdict((few, *outside))
    resamples = int(np.clip(MAX_COUNTS // len(y_N), MIN_RESAMPLES, NUM_RESAMPLES))
    weight_BN = row_counts(len(y_N), resamples, seed)
    return Verdict(
        (
            _gain(champion, challenger, y_N, metric, rule, weight_BN),
            _calibration(champion, challenger, y_N, weight_BN),
            _slices(champion, challenger, y_N, slices),
            *outside,
        )
    )


def enough(num_rows: int, rule: RetrainSpec) -> Check | None:
    """Return the check that fails when there are too few rows to judge by; None when there are enough."""
    if num_rows >= rule.min_rows:
        return None
    told = f"{num_rows:,} labelled rows that neither model saw, at least {rule.min_rows:,} are needed to judge"
    return Check("rows", False, told, {"rows": num_rows, "least": rule.min_rows})


def _gain(
    champion: Side, challenger: Side, y_N: np.ndarray, metric: Metric, rule: RetrainSpec, weight_BN: np.ndarray
) -> Check:
    said = [side.weighed_NK if metric.of_decisions else side.prediction_NK for side in (champion, challenger)]
    before, now = (float(metric.score(y_N, said_NK)) for said_NK in said)
    before_B, now_B = (metric.resampled(y_N, said_NK, weight_BN) for said_NK in said)
    low, high = gain_interval(metric, now_B, before_B)
    gain = float(metric.gain(now) - metric.gain(before))
    least = rule.min_gain * abs(metric.best - before)
    numbers = {"champion": before, "challenger": now, "gain": gain, "low": low, "high": high, "least": least}
    if not np.isfinite([gain, low, high]).all():
        return Check("gain", False, f"the metric has no value on these {len(y_N):,} rows", numbers)
    told = f"{now:.5f} against {before:.5f}, a gain of {gain:+.5f} [{low:+.5f}, {high:+.5f}] on {len(y_N):,} rows"
    if low <= 0:
        told += ", which may be chance" if high >= 0 else ", a loss"
    elif gain < least:
        told += f", less than {least:.5f}, {rule.min_gain:.1%} of what lacks to a perfect score"
    return Check("gain", low > 0 and gain >= least, told, numbers)


def _calibration(champion: Side, challenger: Side, y_N: np.ndarray, weight_BN: np.ndarray) -> Check:
    """Whether the challenger is as sure as it should be: log loss, Brier score, calibration error; bias of numbers."""
    found = list(_excesses(champion, challenger, y_N, weight_BN))
    level = ALPHA / 2 / len(found)
    parts, failed, numbers = [], False, dict[str, float]()
    for name, before, now, excess_B, tolerance in found:
        low = float(np.quantile(excess_B, level))
        bad = low > tolerance
        failed |= bad
        parts.append(f"{name} {now:.5f} against {before:.5f}{', worse by more than chance' if bad else ''}")
        numbers |= {f"{name}_champion": before, f"{name}_challenger": now, f"{name}_excess_low": low}
    return Check("calibration", not failed, "; ".join(parts), {_key(key): value for key, value in numbers.items()})


Excess = tuple[str, float, float, np.ndarray, float]  # name, champion, challenger, resampled difference, tolerance


def _excesses(champion: Side, challenger: Side, y_N: np.ndarray, weight_BN: np.ndarray) -> Iterator[Excess]:
    share_BN = weight_BN / np.float64(len(y_N))
    sides = (champion.prediction_NK, challenger.prediction_NK)
    if not champion.classes:
        error_before_N, error_now_N = (y_N - said_NK[:, 0] for said_NK in sides)
        excess_B = abs(share_BN @ error_now_N) - abs(share_BN @ error_before_N)
        spread = TOLERANCE * float(np.std(y_N))
        yield "bias", abs(float(error_before_N.mean())), abs(float(error_now_N.mean())), excess_B, spread
        return
    for name, loss in (("log loss", losses), ("Brier score", brier_losses)):
        before_N, now_N = (loss(said_NK, y_N) for said_NK in sides)
        yield (
            name, float(before_N.mean()), float(now_N.mean()), share_BN @ (now_N - before_N),
            TOLERANCE * float(before_N.mean()),
        )  # fmt: skip
    gaps = [_bin_gaps(said_NK, y_N) for said_NK in sides]
    before, now = (float(abs(gap_NC.mean(axis=0)).sum()) for gap_NC in gaps)
    before_B, now_B = (abs(share_BN @ gap_NC).sum(axis=1) for gap_NC in gaps)
    yield "calibration error", before, now, now_B - before_B, ECE_TOLERANCE


def brier_losses(prediction_NK: np.ndarray, y_N: np.ndarray) -> np.ndarray:
    """Return the squared distance of each row's probabilities from the truth, halved for two classes."""
    right_NK = np.eye(prediction_NK.shape[1])[y_N]
    loss_N: np.ndarray = ((prediction_NK - right_NK) ** 2).sum(axis=1)
    return loss_N / 2 if prediction_NK.shape[1] == 2 else loss_N


def _bin_gaps(prediction_NK: np.ndarray, y_N: np.ndarray) -> np.ndarray:
    """Return gap_NC, confidence minus being right in the column of the row's bin of confidence.

    The sum over bins of the absolute mean is the expected calibration error, with bins of equally many rows.
    Source: Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning".
    """
    sure_N = prediction_NK.max(axis=1)
    bin_N = np.argsort(np.argsort(sure_N, kind="stable"), kind="stable") * NUM_BINS // len(sure_N)
    gap_N = sure_N - (prediction_NK.argmax(axis=1) == y_N)
    gap_NC: np.ndarray = gap_N[:, None] * (bin_N[:, None] == np.arange(NUM_BINS))
    return gap_NC


def _slices(champion: Side, challenger: Side, y_N: np.ndarray, slices: Sequence[Slice]) -> Check:
    """Whether some slice of rows got worse: by the paired t interval of its loss, adjusted for how many there are."""
    from scipy.stats import t as student

    before_N, now_N = (_row_loss(side, y_N) for side in (champion, challenger))
    excess_N, what = now_N - before_N, "Brier score" if champion.classes else "absolute error"
    worst, worst_low = None, -np.inf
    for one in slices:
        excess_n = excess_N[one.index_n]
        reach = student.ppf(1 - ALPHA / 2 / len(slices), len(excess_n) - 1) * excess_n.std(ddof=1)
        low = float(excess_n.mean() - reach / np.sqrt(len(excess_n)) - TOLERANCE * before_N[one.index_n].mean())
        if low > worst_low:
            worst, worst_low = one, low
    if worst is None:
        return Check("slices", True, "none has rows enough to tell", {"slices": 0})
    before, now = (float(loss_N[worst.index_n].mean()) for loss_N in (before_N, now_N))
    failed = worst_low > 0
    told = (
        f"worst of {len(slices)} is {worst.name}: {what} {now:.5f} against {before:.5f} on {len(worst.index_n):,} rows"
    )
    numbers = {"slices": len(slices), "worst": worst.name, "champion": before, "challenger": now}
    return Check("slices", not failed, told + (", worse by more than chance" if failed else ""), numbers)


def _row_loss(side: Side, y_N: np.ndarray) -> np.ndarray:
    """Return a loss of each row with light tails, so that means of a few rows can be compared."""
    return brier_losses(side.prediction_NK, y_N) if side.classes else np.abs(y_N - side.prediction_NK[:, 0])


def _latency(champion: Side, challenger: Side, rule: RetrainSpec) -> Check:
    most_ms = max(FAST_MS, rule.max_slowdown * champion.latency_ms)
    told = (
        f"{challenger.latency_ms:.2f} ms for a row at the 95th percentile, {champion.latency_ms:.2f} ms by the "
        f"champion, at most {most_ms:.2f} ms"
    )
    numbers = {"champion_ms": champion.latency_ms, "challenger_ms": challenger.latency_ms, "most_ms": most_ms}
    return Check("latency", challenger.latency_ms <= most_ms, told, numbers)


def _schema(champion: Side, challenger: Side) -> Check:
    """Whether whoever asks the champion may ask the challenger in the same way, and gets the same classes."""
    old, new = dict(champion.columns), dict(challenger.columns)
    parts = [f"reads '{name}', which the champion does not" for name in new if name not in old]
    parts += [f"does not read '{name}', which the champion does" for name in old if name not in new]
    parts += [
        f"reads '{name}' as {new[name]}, not {old[name]}" for name in old if new.get(name, old[name]) != old[name]
    ]
    if champion.classes != challenger.classes:
        parts.append(f"answers with {_few(challenger.classes)}, not {_few(champion.classes)}")
    told = f"the same {len(old)} columns and the same answers" if not parts else "; ".join(parts)
    return Check("schema", not parts, told)


def _few(classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:8]) + (", …" if len(classes) > 8 else "")
    return f"the classes {shown}" if classes else "a number"


def _key(words: str) -> str:
    return words.lower().replace(" ", "_")


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not np.isfinite(value) else value
