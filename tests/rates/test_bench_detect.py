from pathlib import Path

from bench import detect
from bench.harness import Options


def test_a_small_run_has_every_figure_and_no_false_alarm(tmp_path: Path) -> None:
    params = tmp_path / "p.toml"
    params.write_text("streams = 12\nquiet_streams = 4000\nquiet_events = 300\n")
    found = {figure.name: figure.value for figure in detect.run(Options(params=params))}
    assert found["false_alarms"] == 0
    assert 3 <= found["full_block_median"] <= 5 <= found["full_block_median_split"] <= 9
    assert found["full_block_p95"] <= 7 and found["full_block_p95_split"] <= 12
