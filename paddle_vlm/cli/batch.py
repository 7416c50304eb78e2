"""`batch`: a folder or an object store in, results out; on this machine or on a Ray cluster."""

import argparse
import logging
import sys

from paddle_vlm.runtime import heavy_imports

HELP = "成批处理文件夹或对象存储中的图片(翻译、分类、求向量)"
EPILOG = """示例:
  paddle-vlm batch translate photos/ out/ --workers 2
  paddle-vlm batch embed s3://bucket/photos s3://bucket/vectors --workers 64 --address auto
  paddle-vlm batch classify photos/ out/ --labels 猫,狗,汽车
中断后再次运行同一命令即接着做;source 中新增的图片也会补上。结果:out/parts/(每份一个文件)、out/pictures/(翻译后的图片)、
out/failed/(失败的图片和原因)。需要:pip install "paddle_vlm[scale]";对象存储另需 s3fs 之类的软件包。
退出码:0 全部完成;1 有图片失败(其余已完成)或任务中断;2 用法错误。"""

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "task", choices=["translate", "classify", "embed"], metavar="任务", help="translate、classify 或 embed"
    )
    parser.add_argument("source", metavar="来源", help="图片所在的文件夹,或 s3:// 之类的地址")
    parser.add_argument("out", metavar="输出", help="结果写入此文件夹或地址")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="进程数(默认 1)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="每个进程的线程数(默认 1)")
    parser.add_argument("--gpus", type=float, default=0.0, metavar="N", help="每个进程的显卡数,可以是小数(默认 0)")
    parser.add_argument("--address", metavar="地址", help="Ray 集群的地址,如 auto(默认在本机启动)")
    parser.add_argument("--chunk", type=int, metavar="N", help="每份多少张图片(默认 64)")
    parser.add_argument("--model", metavar="名称", help="classify 和 embed 的模型")
    parser.add_argument("--labels", metavar="标签", help="classify:逗号隔开的标签,不必训练(零样本)")
    parser.add_argument("-k", type=int, default=5, metavar="个数", help="classify:保留最可能的几类(默认 5)")
    parser.add_argument("--ocr", metavar="名称", help="translate:文字识别模型")
    parser.add_argument("--translator", metavar="名称", help="translate:翻译模型")
    parser.add_argument("--glossary", metavar="TSV", help="translate:术语表")
    parser.add_argument("--memory", metavar="文件", help="translate:翻译记忆")


def run(args: argparse.Namespace) -> int:
    """Do the job; returns the exit code."""
    with heavy_imports():
        from paddle_vlm.deployment.batch import CHUNK, Job, Workers, run_job
        from paddle_vlm.deployment.batch_tasks import Options

    labels = tuple(args.labels.replace("\uff0c", ",").split(",")) if args.labels else ()
    device = "gpu" if args.gpus else "auto"
    options = Options(args.model, labels, args.k, args.ocr, args.translator, args.glossary, args.memory, device)
    job = Job(args.task, args.source, args.out, options, args.chunk or CHUNK)
    report = run_job(job, Workers(args.workers, args.threads, args.gpus, args.address))
    for name, reason in report.failures.items():
        log.warning("失败:%s:%s", name, reason)
    sys.stdout.write(
        f"本次处理 {report.pictures} 张,此前已完成 {report.skipped} 张,失败共 {len(report.failures)} 张。\n"
    )
    return 1 if report.failures else 0
