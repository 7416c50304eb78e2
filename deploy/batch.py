"""The same as `paddle-vlm batch`: python deploy/batch.py translate photos/ out/ --workers 2"""

import sys

try:
    from paddle_vlm.cli import main
except ImportError as error:
    sys.exit(f"错误:无法导入 {error.name}。请先在项目目录运行:pip install -e .")

if __name__ == "__main__":
    sys.exit(main(["batch", *sys.argv[1:]]))
