"""The HTTP service as Ray Serve replicas that grow with the load: python deploy/ray_serve.py --max-replicas 8

Each replica is a process with its own models, and answers as `deploy/serve.py` does.
"""

import argparse
import logging
import os
import sys
from typing import Any

try:
    from paddle_vlm.config import load_config
    from paddle_vlm.errors import PaddleVLMError
    from paddle_vlm.serving.settings import ServeSettings
except ImportError as error:
    sys.exit(f"错误:无法导入 {error.name}。请先在项目目录运行:pip install -e .[serve,scale]")

EPILOG = """示例:
  python deploy/ray_serve.py --max-replicas 2                       本机
  python deploy/ray_serve.py -c configs/serve/public.yaml --address auto --max-replicas 64   已有的 Ray 集群
搜索:各副本须能打开同一个 index 文件夹(共享文件系统)或 Milvus,见 docs/zh/scale.md。"""


def application(settings: ServeSettings, least: int, most: int, target: float, threads: int) -> Any:
    """What `serve.run` takes: between `least` and `most` replicas, one more for each `target` requests under way."""
    from ray import serve

    def build() -> Any:
        from paddle_vlm.serving.app import create_app
        from paddle_vlm.serving.local import LocalEngine

        return create_app(settings, LocalEngine(settings))

    environment = {"PADDLE_VLM_CORES": str(threads), "OMP_NUM_THREADS": str(threads)}
    deployment = serve.deployment(
        name="paddle_vlm",
        autoscaling_config={"min_replicas": least, "max_replicas": most, "target_ongoing_requests": target},
        max_ongoing_requests=10 * max(1, round(target)),  # beyond that the engine's own queues say 503
        graceful_shutdown_timeout_s=settings.limits.seconds,
        ray_actor_options={"num_cpus": threads, "runtime_env": {"env_vars": environment}},
    )
    return deployment(serve.ingress(build)()).bind()


def main() -> int:
    """Serve until interrupted; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="以 Ray Serve 副本运行 HTTP 服务",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--config", metavar="YAML", help="服务的配置文件")
    parser.add_argument("-o", "--override", action="append", default=[], metavar="键=值", help="改动一项设置,可多次")
    parser.add_argument("--address", metavar="地址", help="Ray 集群的地址,如 auto(默认在本机启动)")
    parser.add_argument("--min-replicas", type=int, default=1, metavar="N", help="至少几个副本(默认 1)")
    parser.add_argument("--max-replicas", type=int, default=2, metavar="N", help="至多几个副本(默认 2)")
    parser.add_argument("--target", type=float, default=8.0, metavar="N", help="每个副本同时处理的请求数(默认 8)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="每个副本的核数(默认 1)")
    args = parser.parse_args()
    try:
        settings = load_config(ServeSettings, args.config, args.override)
    except PaddleVLMError as error:
        sys.stderr.write(f"错误:{error}\n")
        return 2
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Ray's own remarks, in English
    try:
        import ray
        from ray import serve
    except ImportError:
        sys.stderr.write("错误:缺少 Ray。请运行:pip install -e .[serve,scale]\n")
        return 2
    ray.init(address=args.address, include_dashboard=None if args.address else False, logging_level=logging.ERROR)
    serve.start(http_options={"host": settings.host, "port": settings.port})
    app = application(settings, args.min_replicas, args.max_replicas, args.target, args.threads)
    serve.run(app, blocking=True, route_prefix="/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
