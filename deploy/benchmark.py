"""How fast the service is, and what it does when too much is asked: python deploy/benchmark.py --json F --plot P.

The load generator runs on the same machine and takes its share of the processor.
  throughput_ratio_c16   16 clients: answers a second, against the same service when it answers one request after
                         another (`one_at_a_time`); the smaller of classification (32 x 32 JPEG) and embedding (query
                         texts). `throughput_ratios` has each, and embedding photographs, which is nearly all arithmetic
  p99_over_p50           latency at half of the highest throughput, requests at random times; the larger of the two
  overload_500s          at 4 times the highest throughput: answers other than 200, 429 and 503
  overload_refusal_ms    there: the median time of a refusal; overload_refusal_p99_ms
  overload_p99_ratio     there: p99 of what is accepted, by p99 of 16 clients without overload
  recovery_s             kill -9 of the worker, which holds every model, under load: the longest wait for an answer
  memory_growth          resident memory of all processes after 20,000 mixed requests, by that after 2,000, less 1
"""

import argparse
import asyncio
import gc
import json
import platform
import statistics
from collections.abc import Coroutine, Sequence
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

from load import REFUSALS, Samples, closed_loop, median, open_loop, percentile
from measured import Service, mixture, workloads

from paddle_vlm import runtime

COUNTS = {"classification": 2000, "embedding": 2000, "picture_embedding": 400}
PARTS = ("ratio", "latency", "recovery", "memory")
CONCURRENCY = (1, 2, 4, 8, 16, 32)


def run(work: Coroutine[Any, Any, Samples]) -> Samples:
    """In the fastest event loop there is."""
    try:
        import uvloop
    except ImportError:
        loop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    gc.collect()
    gc.freeze()  # a pause of the load generator would look like one of the service
    try:
        return loop.run_until_complete(work)
    finally:
        gc.unfreeze()
        loop.close()


def ratios(settings: Sequence[str], scale: float, rounds: int) -> dict[str, Any]:
    """Both services take turns on each workload; the median of the rounds counts."""
    record: dict[str, Any] = {"throughput_ratios": {}, "throughput_c16": {}, "one_at_a_time": {}}
    options = ("tasks=[classify,embed]", *settings)
    with Service(*options) as ours, Service(*options, "one_at_a_time=true") as serial:
        for name, requests in workloads().items():
            count = max(64, int(COUNTS[name] * scale))
            rates: dict[int, list[float]] = {ours.port: [], serial.port: []}
            for service in (ours, serial):
                run(closed_loop(service.port, requests, 16, 40))  # warm-up
            for _ in range(rounds):
                for port, found in rates.items():
                    found.append(run(closed_loop(port, requests, 16, count)).rate)
            fast, slow = (statistics.median(found) for found in rates.values())
            record["throughput_ratios"][name] = round(fast / slow, 2)
            record["throughput_c16"][name], record["one_at_a_time"][name] = round(fast, 1), round(slow, 1)
            show(name, record["throughput_ratios"][name], rates)
    shares = record["throughput_ratios"]
    return {"throughput_ratio_c16": min(shares["classification"], shares["embedding"]), **record}


def curve(service: Service, requests: Sequence[bytes], count: int) -> list[dict[str, Any]]:
    """Throughput, latency, processor and memory by the number of clients."""
    points = []
    for clients in CONCURRENCY:
        cpu = service.cpu_seconds()
        samples = run(closed_loop(service.port, requests, clients, max(count * min(clients, 8) // 8, 50)))
        used = (service.cpu_seconds() - cpu) / samples.seconds
        answered = {str(status): number for status, number in samples.counts.items()}
        points.append({"clients": clients, "rate": round(samples.rate, 1), **samples.percentiles(), "answers": answered,
                       "cores": round(used, 2), "memory_mb": round(service.memory_mb())})  # fmt: skip
        show("clients", points[-1])
    return points


def below_saturation(service: Service, requests: Sequence[bytes], best: float, seconds: float) -> dict[str, Any]:
    """Random arrivals at half of the highest throughput."""
    samples = run(open_loop(service.port, requests, best / 2, seconds))
    values = samples.of(200)
    ratio = percentile(values, 99) / max(1e-9, percentile(values, 50))
    return {"rate": round(best / 2, 1), **samples.percentiles(), "p99_over_p50": round(ratio, 2)}


def overload(service: Service, requests: Sequence[bytes], best: float, usual: float, seconds: float) -> dict[str, Any]:
    """Four times what the service can do; `usual` is p99 without overload, in milliseconds."""
    memory = service.memory_mb()
    samples = run(open_loop(service.port, requests, 4 * best, seconds))
    refused, accepted = samples.of(*REFUSALS), samples.of(200)
    wrong = sum(number for status, number in samples.counts.items() if status not in (200, *REFUSALS))
    return {
        "overload_500s": wrong,
        "overload_refusal_ms": round(1e3 * median(refused), 1),
        "overload_refusal_p99_ms": round(1e3 * percentile(refused, 99), 1),
        "overload_p99_ratio": round(1e3 * percentile(accepted, 99) / max(1e-9, usual), 2),
        "overload": {
            "rate": round(4 * best, 1),
            "answers": {str(status): number for status, number in samples.counts.items()},
            "accepted": samples.percentiles(),
            "accepted_rate": round(samples.rate, 1),
            "memory_growth": round(service.memory_mb() / memory - 1, 4),
        },
    }


def memory(settings: Sequence[str], count: int) -> dict[str, Any]:
    """Resident memory in the course of mixed requests by 8 clients."""
    noted: dict[int, float] = {}
    marks = {count // 10: "early", count // 2: "half"}
    with Service("tasks=[classify,embed,analyze,translate]", *settings) as service:

        def note(number: int) -> None:
            if number in marks:
                noted[number] = round(service.memory_mb(), 1)

        samples = run(closed_loop(service.port, mixture(), 8, count, note))
        noted[count] = round(service.memory_mb(), 1)
    show("memory", noted, samples.counts)
    answers = {str(status): number for status, number in samples.counts.items()}
    growth = noted[count] / noted[count // 10] - 1
    return {"memory_growth": round(growth, 4), "memory_mb": noted, "memory_answers": answers}


def latencies(settings: Sequence[str], scale: float) -> dict[str, Any]:
    """Everything about one service: the curve, half load, overload."""
    record: dict[str, Any] = {"half_load": {}}
    requests = workloads()
    with Service("tasks=[classify,embed]", *settings) as service:
        for name in ("classification", "embedding"):
            run(closed_loop(service.port, requests[name], 16, 200))
        points = record["curve"] = curve(service, requests["classification"], int(1200 * scale))
        best = max(point["rate"] for point in points)
        usual = next(point["p99"] for point in points if point["clients"] == 16)
        seconds = max(2.0, 10 * scale)
        record["half_load"]["classification"] = below_saturation(service, requests["classification"], best, seconds)
        most = run(closed_loop(service.port, requests["embedding"], 16, int(1500 * scale))).rate
        record["half_load"]["embedding"] = below_saturation(service, requests["embedding"], most, seconds)
        show("half", record["half_load"])
        record |= overload(service, requests["classification"], best, usual, seconds)
        show("overload", record["overload"])
    record["p99_over_p50"] = max(each["p99_over_p50"] for each in record["half_load"].values())
    return record


def recovery(settings: Sequence[str]) -> dict[str, Any]:
    """Kill the worker under load, with every model in it; seconds until the next answer of each kind."""
    asked = workloads()
    seconds: dict[str, float] = {}
    with Service(*settings) as service:
        for name in ("classification", "embedding"):
            run(closed_loop(service.port, asked[name], 4, 100))
            begun = perf_counter()
            service.kill_worker()
            samples = run(closed_loop(service.port, asked[name], 4, 200))
            slowest = samples.of(*samples.counts)[-1]
            seconds[name] = round(perf_counter() - begun - samples.seconds + slowest, 2)
            show("recovery", name, seconds[name], samples.counts)
            service.wait_ready()
    return {"recovery_s": max(seconds.values()), "recovery": seconds}


def show(*words: object) -> None:
    """Progress."""
    print(*words, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="测量 HTTP 服务:吞吐、延迟、过载、内存")
    parser.add_argument("--json", type=Path, help="把结果写入此 JSON 文件(已有的项目保留,只更新测过的)")
    parser.add_argument("--plot", type=Path, help="画出吞吐与延迟曲线(PNG)")
    parser.add_argument(
        "--only", choices=("ratio", "latency", "memory", "recovery"), action="append", help="只测这一部分,可多次"
    )
    parser.add_argument("--requests", type=int, default=20_000, help="内存测试的请求数(默认 20000)")
    parser.add_argument("--rounds", type=int, default=3, help="吞吐对比的轮数(默认 3)")
    parser.add_argument("--quick", action="store_true", help="十分之一的请求数,只看能否运行")
    parser.add_argument("-o", "--override", action="append", default=[], metavar="键=值", help="服务的设置")
    options = parser.parse_args()

    scale, parts = (0.1 if options.quick else 1.0), options.only or PARTS
    record = json.loads(options.json.read_text(encoding="utf-8")) if options.json and options.json.exists() else {}
    if "ratio" in parts:
        record |= ratios(options.override, scale, options.rounds)
    if "latency" in parts:
        record |= latencies(options.override, scale)
    if "recovery" in parts:
        record |= recovery(options.override)
    if "memory" in parts:
        record |= memory(options.override, int(options.requests * scale))
    record |= {"cores": runtime.cores(), "machine": platform.processor() or platform.machine()}
    record |= {"date": date.today().isoformat()}
    text = json.dumps(record, ensure_ascii=False, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.plot and "curve" in record:
        from benchmark_plot import draw

        draw(record, options.plot)


if __name__ == "__main__":
    main()
