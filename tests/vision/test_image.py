"""Pictures in and out, good ones and bad ones."""

import base64
import errno
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from paddle_vlm.errors import BadImage, OutputError, UsageError
from paddle_vlm.vision.image import LoadedImage, list_images, load_image, save_image


def scene(width: int = 60, height: int = 40) -> Image.Image:
    """Red left half, blue right half, a white square at the top left."""
    image = Image.new("RGB", (width, height), (200, 30, 20))
    draw = ImageDraw.Draw(image)
    draw.rectangle((width // 2, 0, width, height), fill=(20, 40, 210))
    draw.rectangle((0, 0, 9, 9), fill="white")
    return image


def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, format_, **options)
    return data.getvalue()


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


# --- where a picture may come from


def test_path_bytes_base64_data_url_and_array_give_the_same_pixels(tmp_path):
    data = encoded(scene(), "PNG")
    file = tmp_path / "a.png"
    file.write_bytes(data)
    text = base64.b64encode(data).decode()
    expected = np.asarray(scene())
    wrapped = "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    for source in (file, str(file), data, text, wrapped, f"data:image/png;base64,{text}", expected):
        image = load_image(source)
        assert np.array_equal(image.rgb, expected)
        assert image.rgb.dtype == np.uint8
        assert image.rgb.flags["C_CONTIGUOUS"]
        assert image.alpha is None
    assert load_image(file).path == file
    assert load_image(data).path is None


def test_arrays_of_every_allowed_shape():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert (load_image(grey).rgb == grey[..., None]).all()
    assert (load_image(grey[..., None]).rgb == grey[..., None]).all()
    assert (load_image(grey.astype(np.uint16) * 257).rgb == grey[..., None]).all()
    rgba = np.dstack([grey, grey, grey, np.full_like(grey, 9)])
    image = load_image(rgba)
    assert image.alpha is not None
    assert (image.alpha == 9).all()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 4), float),
        np.zeros((3, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(5, np.uint8),
        np.zeros((1, 3, 4, 3), np.uint8),
    ],
)
def test_an_array_that_is_no_picture_is_refused(array):
    with pytest.raises(BadImage, match="不是图片"):
        load_image(array)


# --- kinds of files


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation_is_applied_and_removed_and_the_rest_kept(turn):
    upright = scene()
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's numbers of the inverse transpositions
    stored = upright if turn == 1 else upright.transpose(Image.Transpose(undo[turn]))
    exif = Image.Exif()
    exif[0x0112] = turn
    exif[0x010F] = "相机".encode().decode("latin-1")
    image = load_image(encoded(stored, "JPEG", quality=100, subsampling=0, exif=exif))
    assert image.rgb.shape == (40, 60, 3)
    assert np.abs(image.rgb.astype(int) - np.asarray(upright)).mean() < 3
    kept = Image.Exif()
    kept.load(image.exif)
    assert 0x0112 not in kept
    assert kept[0x010F]


def test_cmyk_with_and_without_a_profile():
    image = load_image(encoded(scene().convert("CMYK"), "JPEG", quality=100, subsampling=0))
    assert np.abs(image.rgb.astype(int) - np.asarray(scene())).mean() < 6
    assert image.icc is None
    broken = load_image(encoded(scene().convert("CMYK"), "JPEG", quality=100, icc_profile=b"not a profile"))
    assert np.abs(broken.rgb.astype(int) - image.rgb).mean() < 3


def test_a_profile_of_rgb_pixels_is_kept_and_a_broken_one_dropped(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = load_image(encoded(scene(), "JPEG", icc_profile=profile))
    assert image.icc == profile
    saved = save_image(image.rgb, image, tmp_path / "out.png")
    assert Image.open(saved).info["icc_profile"] == profile
    assert load_image(encoded(scene(), "JPEG", icc_profile=b"junk" * 50)).icc is None


def test_a_grey_picture_with_a_profile_leaves_without_it():
    grey_as_rgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = load_image(encoded(scene().convert("L"), "PNG", icc_profile=grey_as_rgb))
    assert image.icc is None
    assert (image.rgb[0, 0] == 255).all()


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    values = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    for format_ in ("PNG", "TIFF"):
        image = load_image(encoded(Image.fromarray(values), format_))
        assert np.abs(image.rgb[..., 0].astype(int) - np.arange(256)).max() <= 1


def test_sixteen_bit_colour_png(tmp_path):
    row = b"\0" + struct.pack(">3H", 65535, 32768, 0) * 2
    body = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", body), (b"IDAT", zlib.compress(row)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks
    )
    assert load_image(data).rgb[0, 0].tolist() == [255, 128, 0]


def test_palette_with_and_without_transparency():
    plain = load_image(encoded(scene().quantize(8), "PNG"))
    assert np.abs(plain.rgb.astype(int) - np.asarray(scene())).mean() < 3
    assert plain.alpha is None
    palette = scene().quantize(8)
    index = palette.getpixel((0, 0))
    image = load_image(encoded(palette, "PNG", transparency=index))
    assert image.alpha is not None
    assert image.alpha[0, 0] == 0
    assert image.alpha[20, 40] == 255


def test_white_text_on_transparency_can_be_read_and_keeps_its_alpha_and_edges(tmp_path):
    source = Image.new("RGBA", (80, 40), (0, 0, 0, 0))
    ImageDraw.Draw(source).ellipse((10.5, 5.5, 60.5, 30.5), fill=(255, 255, 255, 255))
    source = source.resize((40, 20), Image.Resampling.LANCZOS)  # soft edges
    image = load_image(encoded(source, "PNG"))
    assert image.backdrop == 0
    assert image.rgb[10, 18].mean() > 250
    assert image.rgb[0, 0].mean() < 5
    saved = np.asarray(Image.open(save_image(image.rgb, image, tmp_path / "o.png", alpha=image.alpha)))
    assert (saved[..., 3] == np.asarray(source)[..., 3]).all()
    edge = saved[..., 3] >= 64
    assert np.abs(saved[edge].astype(int) - np.asarray(source)[edge]).max() <= 4
    flat = np.asarray(Image.open(save_image(image.rgb, image, tmp_path / "o.jpg", alpha=image.alpha)))
    assert flat.shape == (20, 40, 3)


@pytest.mark.parametrize("format_", ["GIF", "WEBP"])
def test_of_an_animation_the_first_frame(format_):
    frames = [scene(), Image.new("RGB", (60, 40), "green")]
    options = {"lossless": True} if format_ == "WEBP" else {}
    image = load_image(encoded(frames[0], format_, save_all=True, append_images=frames[1:], **options))
    assert np.abs(image.rgb.astype(int) - np.asarray(scene())).mean() < 3


def test_broken_exif_is_ignored():
    image = load_image(encoded(scene(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40))
    assert image.rgb.shape == (40, 60, 3)


# --- what is no picture


def test_a_missing_path_a_folder_and_a_text_file_are_named(tmp_path):
    with pytest.raises(BadImage, match="找不到图片.*nothing.jpg"):
        load_image(tmp_path / "nothing.jpg")
    with pytest.raises(BadImage, match="是文件夹"):
        load_image(str(tmp_path))
    (tmp_path / "text.jpg").write_text("不是图片" * 100, encoding="utf-8")
    with pytest.raises(BadImage, match="text.jpg 不是图片"):
        load_image(tmp_path / "text.jpg")
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(BadImage, match="0 字节"):
        load_image(tmp_path / "empty.png")


@pytest.mark.parametrize("source", ["a\0b.jpg", "x" * 5000, b"", b"GIF89a", "data:image/png;base64,@@@", "data:,x", 3])
def test_nonsense_is_a_bad_image(source):
    with pytest.raises(BadImage):
        load_image(source)


def test_an_apple_heic_photo_gets_its_own_advice():
    with pytest.raises(BadImage, match="HEIC"):
        load_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_truncated_file_is_an_error_and_not_half_a_picture(format_, share):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 80, 3)).astype(np.uint8))
    data = encoded(noise, format_)
    with pytest.raises(BadImage, match="不完整或已损坏|不是图片"):
        load_image(data[: int(len(data) * share)])


def test_a_bomb_is_refused_from_its_header(tmp_path):
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for width, height in ((50_000, 50_000), (12_000, 12_000), (30_000, 4_000)):
        with pytest.raises(BadImage, match="上限|缩小"):
            load_image(png_header(width, height))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB
    with pytest.raises(BadImage, match="60×40"):
        load_image(encoded(scene(), "PNG"), max_pixels=1000)
    with pytest.raises(BadImage, match="4×3"):
        load_image(np.zeros((3, 4), np.uint8), max_pixels=10)


def test_five_hundred_corrupted_files_raise_nothing_but_bad_image():
    random = np.random.default_rng(20)
    photo = Image.fromarray(random.integers(0, 256, (12, 16, 3)).astype(np.uint8)).resize((64, 48))
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    originals = [
        encoded(photo, "JPEG", exif=exif, icc_profile=profile),
        encoded(photo, "JPEG", progressive=True),
        encoded(photo.convert("CMYK"), "JPEG"),
        encoded(photo, "PNG", icc_profile=profile),
        encoded(photo.quantize(16), "PNG", transparency=3),
        encoded(photo, "WEBP"),
        encoded(photo, "WEBP", lossless=True),
        encoded(photo, "GIF"),
        encoded(photo, "BMP"),
        encoded(photo, "TIFF", compression="tiff_lzw"),
    ]
    read = 0
    for number in range(500):
        data = bytearray(originals[number % len(originals)])
        for _ in range(random.integers(1, 5)):
            place = int(random.integers(0, max(1, min(len(data), 10 ** random.integers(1, 5)))))
            match random.integers(3):
                case 0:
                    data[place : place + 1] = bytes([int(random.integers(256))])
                case 1:
                    data[place : place + int(random.integers(1, 60))] = b""
                case _:
                    data[place:place] = random.bytes(int(random.integers(1, 20)))
        try:
            image = load_image(bytes(data), max_pixels=1_000_000)
        except BadImage:
            continue
        read += 1
        assert image.rgb.ndim == 3
    assert 50 < read < 450


# --- out


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".webp", ".bmp", ".tiff", ".gif"])
def test_a_picture_comes_back_as_it_was_saved(tmp_path, suffix):
    path = save_image(np.asarray(scene()), None, tmp_path / f"图{suffix}")
    assert np.abs(load_image(path).rgb.astype(int) - np.asarray(scene())).mean() < 3
    assert [p.name for p in tmp_path.iterdir()] == [f"图{suffix}"]


def test_jpeg_keeps_coloured_edges(tmp_path):
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2, 0] = 255
    stripes[:, 1::2, 2] = 255
    image = Image.open(save_image(stripes, None, tmp_path / "s.jpg"))
    assert np.abs(np.asarray(image).astype(int) - stripes).mean() < 8


def test_exif_follows_into_formats_that_hold_it(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    image = load_image(encoded(scene(), "JPEG", exif=exif))
    for suffix in (".jpg", ".png", ".webp"):
        assert Image.open(save_image(image.rgb, image, tmp_path / f"a{suffix}")).getexif()[0x010F] == "Maker"


def test_the_input_is_never_overwritten(tmp_path):
    source = tmp_path / "a.png"
    source.write_bytes(encoded(scene(), "PNG"))
    image = load_image(source)
    (tmp_path / "link.png").symlink_to(source)
    for target in (source, tmp_path / "link.png", tmp_path / "x" / ".." / "a.png"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(OutputError, match="输入图片"):
            save_image(image.rgb, image, target)
    assert source.read_bytes() == encoded(scene(), "PNG")


def test_what_cannot_be_written_is_explained_and_leaves_nothing(tmp_path):
    rgb = np.asarray(scene())
    with pytest.raises(OutputError, match="后缀“.xyz”.*.png"):
        save_image(rgb, None, tmp_path / "a.xyz")
    with pytest.raises(OutputError, match="文件夹.*不存在"):
        save_image(rgb, None, tmp_path / "no" / "a.png")
    (tmp_path / "d.png").mkdir()
    with pytest.raises(OutputError, match="同名文件夹"):
        save_image(rgb, None, tmp_path / "d.png")
    with pytest.raises(OutputError, match="换一种格式"):
        save_image(np.zeros((1, 70_000, 3), np.uint8), None, tmp_path / "wide.jpg")
    with pytest.raises(OutputError, match="过长"):
        save_image(rgb, None, tmp_path / f"{'n' * 400}.png")
    assert [p.name for p in tmp_path.iterdir()] == ["d.png"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="需要 Linux 的 /dev/full")
def test_a_full_disk_is_named(tmp_path, monkeypatch):
    real_open = Path.open

    def open_full(self, *args, **kwargs):
        return real_open(Path("/dev/full"), "wb") if self.suffix == ".tmp" else real_open(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(OutputError, match="磁盘空间不足"):
        save_image(np.asarray(scene()), None, tmp_path / "a.png")
    assert os.strerror(errno.ENOSPC)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root 用户不受写权限限制")
def test_an_unwritable_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="没有写权限"):
        save_image(np.asarray(scene()), None, tmp_path / "a.png")


def test_a_failed_save_leaves_the_older_file_as_it_was(tmp_path):
    path = save_image(np.asarray(scene()), None, tmp_path / "a.jpg")
    before = path.read_bytes()
    with pytest.raises(OutputError):
        save_image(np.zeros((1, 70_000, 3), np.uint8), LoadedImage(np.asarray(scene())), path)
    assert path.read_bytes() == before


# --- which pictures


def test_files_folders_and_patterns_in_natural_order_each_once(tmp_path):
    for name in ("b10.jpg", "b2.JPG", "a.png", "notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.webp").write_bytes(b"x")
    everything = [tmp_path / name for name in ("a.png", "b2.JPG", "b10.jpg")]
    assert list_images([str(tmp_path)]) == everything
    assert list_images([tmp_path], recursive=True) == [*everything, tmp_path / "deep" / "c.webp"]
    assert list_images([str(tmp_path / "b*")]) == everything[1:]
    assert list_images([str(tmp_path / "b10.jpg"), str(tmp_path)]) == [everything[2], *everything[:2]]
    assert list_images([str(tmp_path / "**" / "*.webp")]) == [tmp_path / "deep" / "c.webp"]


def test_a_file_named_outright_is_kept_whatever_it_is_and_an_empty_folder_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "a[1].png").write_bytes(b"x")
    assert list_images([tmp_path / "notes.txt", tmp_path / "missing.jpg"]) == [
        tmp_path / "notes.txt",
        tmp_path / "missing.jpg",
    ]
    assert list_images([str(tmp_path / "a[1].png")]) == [tmp_path / "a[1].png"]
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "empty", tmp_path / "*.gif"):
        with pytest.raises(UsageError, match="没有图片"):
            list_images([str(nothing)])


def test_a_large_jpeg_can_be_decoded_small_and_still_knows_its_size(tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.linear_gradient("L").resize((1600, 800)).convert("RGB").save(path, exif=exif)
    small, whole = load_image(path, at_least=300), load_image(path)
    assert whole.rgb.shape == (1600, 800, 3) and whole.full_size == (1600, 800)
    assert small.rgb.shape == (800, 400, 3) and small.full_size == (1600, 800)
    assert np.abs(small.rgb[::2, ::2].astype(int).mean((0, 1)) - whole.rgb.mean((0, 1))).max() < 2
    path = tmp_path / "a.png"
    Image.new("RGB", (1600, 800)).save(path)
    assert load_image(path, at_least=300).rgb.shape == (800, 1600, 3)  # only JPEG can be decoded small
