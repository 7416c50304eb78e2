"""The same as `paddle-vlm train`: python tools/train.py -c configs/classify/quickstart.yaml -o train.epochs=5"""

import sys

try:
    from paddle_vlm.cli import main
except ImportError as error:
    sys.exit(f"错误:无法导入 {error.name}。请先在项目目录运行:pip install -e .")

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
