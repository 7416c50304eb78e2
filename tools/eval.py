"""How good a model is: python tools/eval.py classify --config C.yaml --weights runs/C --data 文件夹 --json out.json"""

import sys

try:
    from paddle_vlm.cli.evaluate import main
except ImportError as error:
    sys.exit(f"错误:无法导入 {error.name}。请先在项目目录运行:pip install -e .")

if __name__ == "__main__":
    sys.exit(main())
