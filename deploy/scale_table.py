"""Machines and money for very many pictures, from measured rates: python deploy/scale_table.py --rates rates.json

The JSON is what benchmarks/batch_jobs.py writes. Prices are assumptions; give your own.
"""

import argparse
import json
from pathlib import Path

SIZES = {"100 万": 10**6, "1 亿": 10**8, "100 亿": 10**10}
NAMES = {"embed": "求向量(建索引)", "classify": "零样本分类", "translate": "图片翻译"}


def rows(rates: dict[str, float], core_hour: float, efficiency: float, days: float) -> list[list[str]]:
    """For each task and size: core-hours, what they cost, and cores and 32-core machines to be done within `days`."""
    found = []
    for task, rate in rates.items():
        for size, count in SIZES.items():
            hours = count / (rate * efficiency) / 3600
            cores = max(1, -(-hours // (24 * days)))
            machines = max(1, -(-cores // 32))
            cells = [f"{hours:,.0f}", f"{hours * core_hour:,.0f}", f"{cores:,.0f}", f"{machines:,.0f}"]
            found.append([NAMES.get(task, task), size, *cells])
    return found


def storage(dim: int, gigabyte_month: float) -> list[list[str]]:
    """For each size: gigabytes of the vectors in fp16 and, as IVF-SQ8 or DiskANN's codes hold them, in 8 bits."""
    found = []
    for size, count in SIZES.items():
        half, byte = (count * dim * width / 1e9 for width in (2, 1))
        found.append([size, f"{half:,.1f}", f"{byte:,.1f}", f"{half * gigabyte_month:,.1f}"])
    return found


def table(title: list[str], lines: list[list[str]]) -> str:
    """Markdown."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (title, ["---"] * len(title), *lines))


def main() -> None:
    parser = argparse.ArgumentParser(description="由实测速度推算处理大量图片所需的机器和费用")
    parser.add_argument("--rates", type=Path, required=True, help="benchmarks/batch_jobs.py 写出的 JSON")
    parser.add_argument("--core-hour", type=float, default=0.15, help="每核每小时的价格,元(默认 0.15,是假设)")
    parser.add_argument("--gigabyte-month", type=float, default=1.0, help="每 GB 云盘每月的价格,元(默认 1.0,是假设)")
    parser.add_argument("--efficiency", type=float, default=0.8, help="大集群相对单核的效率(默认 0.8,是假设)")
    parser.add_argument("--days", type=float, default=1.0, help="希望几天做完(默认 1)")
    parser.add_argument("--dim", type=int, default=256, help="向量的维数(默认 256)")
    options = parser.parse_args()
    rates = json.loads(options.rates.read_text(encoding="utf-8"))["pictures_per_core_second"]
    title = ["任务", "图片数", "核时", "费用(元)", f"{options.days:g} 天做完需要的核", "32 核机器"]
    print(table(title, rows(rates, options.core_hour, options.efficiency, options.days)))
    print()
    print(
        table(
            ["图片数", "向量 fp16(GB)", "8 位编码(GB)", "存储费(元/月)"], storage(options.dim, options.gigabyte_month)
        )
    )


if __name__ == "__main__":
    main()
