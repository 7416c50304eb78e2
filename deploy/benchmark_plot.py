"""The curves of deploy/benchmark.py as a picture."""

from pathlib import Path
from typing import Any

import matplotlib
import pylopdf_fonts_zh_cn
from matplotlib import font_manager
from matplotlib.figure import Figure


def draw(record: dict[str, Any], path: Path) -> None:
    """Throughput, latency, processor and memory by the number of clients, as PNG."""
    font = Path(pylopdf_fonts_zh_cn.__file__).parent / "NotoSansSC-Regular.otf"
    font_manager.fontManager.addfont(str(font))
    family = font_manager.FontProperties(fname=str(font)).get_name()
    points = record["curve"]
    clients = [point["clients"] for point in points]
    with matplotlib.rc_context({"font.family": family}):
        figure = Figure(figsize=(12, 3.6), layout="constrained")
        rate, latency, machine = figure.subplots(1, 3)
        rate.plot(clients, [point["rate"] for point in points], marker="o", label="动态批处理")
        if serial := record.get("one_at_a_time"):  # not after --only latency
            rate.axhline(serial["classification"], color="grey", linestyle="--", label="逐个处理")
        rate.set_title("分类吞吐(个/秒)")
        for name in ("p50", "p95", "p99"):
            latency.plot(clients, [point[name] for point in points], marker="o", label=name)
        latency.set_title("延迟(毫秒)")
        machine.plot(clients, [point["cores"] for point in points], marker="o", label="处理器(核)")
        machine.plot(clients, [point["memory_mb"] / 1024 for point in points], marker="o", label="内存(GB)")
        machine.set_title("处理器与内存")
        for axes in (rate, latency, machine):
            axes.set_xscale("log", base=2)
            axes.set_xticks(clients, [str(count) for count in clients])
            axes.set_xlabel("并发客户端")
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
            axes.legend()
        figure.savefig(path, dpi=110)
