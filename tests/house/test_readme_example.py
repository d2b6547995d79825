"""The Python example of the README runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.mark.cluster
def test_the_python_example_of_the_readme_runs(
    ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSAY_STORAGE", str(tmp_path / "storage"))
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    fast = "search={'trials': 2}, algorithms=['logistic_regression'], ensembles=['vote']"  # the rest is the README's
    code = code.replace('"label": "left"}', f'"label": "left"}}, {fast}')
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"age": draw.integers(18, 80, 200), "plan": draw.choice(["basic", "plus"], 200)})
    frame["left"] = np.where(frame["age"] + 20 * draw.normal(size=200) > 50, "yes", "no")
    world = {"frame": frame, "rows": frame.drop(columns="left").head(3)}
    *lines, before_last, last = [line for line in code.splitlines() if line.strip()]
    exec("\n".join(lines), world)
    predicted = eval(before_last.partition("#")[0], world)
    assert list(predicted.columns) == ["row", "prediction", "probability_no", "probability_yes"]
    assert len(eval(last.partition("#")[0], world)) == 3
    assert "logistic_regression" in capsys.readouterr().out
