"""The HTTP service: python deploy/serve.py -c configs/serve/default.yaml -o port=8000"""

import argparse
import sys

try:
    from paddle_vlm.config import load_config
    from paddle_vlm.errors import PaddleVLMError
    from paddle_vlm.runtime import explain_import_error
except ImportError as error:
    sys.exit(f"错误:无法导入 {error.name}。请先在项目目录运行:pip install -e .[serve]")

EPILOG = """示例:
  python deploy/serve.py                                        全部任务,http://127.0.0.1:8000
  python deploy/serve.py -c configs/serve/default.yaml -o port=9000 -o workers=2
  curl -F image=@photo.jpg http://127.0.0.1:8000/v1/classify?labels=猫,狗
SIGTERM:答完已收下的请求再退出;SIGHUP:重新载入模型。设置一览:docs/zh/serving.md"""


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        description="启动 HTTP 服务", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-c", "--config", metavar="YAML", help="配置文件(默认:全部用默认值)")
    parser.add_argument("-o", "--override", action="append", default=[], metavar="键=值", help="改动一项设置,可多次")
    args = parser.parse_args()
    try:
        from paddle_vlm.serving.server import serve
        from paddle_vlm.serving.settings import ServeSettings

        return serve(load_config(ServeSettings, args.config, args.override))
    except PaddleVLMError as error:
        print(f"错误:{error}", file=sys.stderr)
        return 2
    except ImportError as error:
        explained = explain_import_error(error)
        if explained is None:
            raise
        print("错误:缺少服务所需的包。请运行:pip install -e .[serve]", f"({error})", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
