"""What a file is, is told by its first bytes, whatever its name says."""

from __future__ import annotations

import base64
import gzip
import pickle
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kling_airflow.media.file_kinds import FileKind
from kling_airflow.media.file_type import HEAD_BYTES, describe_file, detect_file_type
from tests.media.pictures import HUBBLE, encoded, quarters


def box(brand: bytes, *compatible: bytes) -> bytes:
    """The file type box of an ISO base media file."""
    body = brand + b"\0\0\0\0" + b"".join(compatible)
    return (len(body) + 8).to_bytes(4, "big") + b"ftyp" + body + b"\0\0\0\x08mdat"


PILLOW_FILES = {
    "JPEG": "a JPEG picture",
    "MPO": "a JPEG picture",
    "PNG": "a PNG picture",
    "WEBP": "a WebP picture",
    "GIF": "a GIF picture",
    "TIFF": "a TIFF picture",
    "BMP": "a BMP picture",
    "AVIF": "an AVIF picture",
    "JPEG2000": "a JPEG 2000 picture",
    "PPM": "a PPM, PGM or PBM picture",
    "ICO": "an icon (ICO)",
    "PDF": "a PDF document",
    "EPS": "a PostScript document",
    "DDS": "a DDS texture",
    "QOI": "a QOI picture",
}

START = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0"
WRAPPED: dict[str, tuple[bytes, str]] = {
    "a line end before a JPEG": (b"\r\n" + START, "a picture or clip behind 2 stray bytes"),
    "a byte order mark before a JPEG": (b"\xef\xbb\xbf" + START, "a picture or clip behind 3 stray bytes"),
    "a blank before a PNG": (b" \x89PNG\r\n\x1a\n", "a picture or clip behind 1 stray byte"),
    "a line end before an MP4": (b"\n\0\0\0\x18ftypmp42", "a picture or clip behind 1 stray byte"),
    "HTTP response": (b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + START, "an HTTP response"),
    "HTTP headers": (b"Content-Type: image/jpeg\r\nETag: 1\r\n\r\n" + START, "an HTTP response"),
    "HTTP chunks": (b"1f4;a=b\r\n" + START, "a body in chunks"),
    "upload form": (
        b'--form7\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + START,
        "an upload form (multipart)",
    ),
    "repr of bytes": (repr(START).encode(), "the text of Python's bytes"),
    "repr of a bytearray": (repr(bytearray(START)).encode(), "the text of Python's bytes"),
    "hexadecimal": (START.hex().encode() * 300, "a file of hexadecimal digits"),
    "hexadecimal of an MP4": (box(b"isom", b"avc1").hex().encode() * 9, "a file of hexadecimal digits"),
    "hexadecimal, as PostgreSQL prints it": (b"\\x" + START.hex().encode(), "a file of hexadecimal digits"),
    "hexadecimal dump": (b"00000000: ffd8 ffe0 0010 4a46  ......JF\n", "a file of hexadecimal digits"),
    "Latin-1 written as UTF-8": (
        START.decode("latin-1").encode(),
        "a file whose bytes were read as text and enc",
    ),
    "Latin-1 written as UTF-16": (
        START.decode("latin-1").encode("utf-16"),
        "a file whose bytes were read as text",
    ),
    "Base64 in JSON": (b'"' + base64.b64encode(START * 9) + b'"', "Base64 text"),
    "repr of Base64": (repr(base64.b64encode(START * 9)).encode(), "Base64 text"),
    "Base64 for addresses": (base64.urlsafe_b64encode(START * 9), "Base64 text"),
}
"""Pictures and clips that a program has stored in a wrapping."""


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapped_file_is_named_with_what_to_do(name: str) -> None:
    data, words = WRAPPED[name]
    assert describe_file(data).startswith(words)
    assert detect_file_type(data).todo


@pytest.mark.parametrize(
    "text",
    ["HTTP is a protocol", "b'or not to be'", "--- a\n+++ b", "1f4\r\nis a number", "beef and more", "ffd8"],
)
def test_a_text_that_only_begins_like_a_wrapping_is_a_text(text: str) -> None:
    assert describe_file(text.encode()).startswith("a text file")


HEADS: dict[str, tuple[bytes, FileKind, str]] = {
    "nothing": (b"", FileKind.DAMAGED, "an empty file"),
    "zeros": (b"\0" * 5000, FileKind.DAMAGED, "a file of zero bytes only"),
    "HEIC": (box(b"heic", b"mif1", b"heic"), FileKind.PICTURE, "a HEIC picture"),
    "HEIF": (box(b"mif1", b"mif1", b"miaf"), FileKind.PICTURE, "a HEIC picture"),
    "AVIF, general brand": (box(b"mif1", b"mif1", b"avif"), FileKind.PICTURE, "an AVIF picture"),
    "MP4": (box(b"isom", b"mp42", b"avc1"), FileKind.VIDEO, "an MP4 video"),
    "MOV": (box(b"qt  "), FileKind.VIDEO, "a QuickTime video"),
    "MOV, old": (b"\0\0\x10\0moov\0\0\0\x6cmvhd", FileKind.VIDEO, "a QuickTime or MP4 video without"),
    "CR3": (box(b"crx ", b"crx ", b"isom"), FileKind.PICTURE, "a raw picture of a camera"),
    "CR2": (b"II*\0\x10\0\0\0CR\x02\0", FileKind.PICTURE, "a raw picture of a camera"),
    "RAF": (b"FUJIFILMCCD-RAW 0201", FileKind.PICTURE, "a raw picture of a camera"),
    "BigTIFF": (b"II+\0\x08\0\0\0", FileKind.PICTURE, "a BigTIFF picture"),
    "WebM": (b"\x1aE\xdf\xa3\x9fB\x86", FileKind.VIDEO, "a Matroska or WebM video"),
    "AVI": (b"RIFF\x10\0\0\0AVI LIST", FileKind.VIDEO, "an AVI video"),
    "MPEG-TS": ((b"\x47" + b"\0" * 187) * 3, FileKind.VIDEO, "an MPEG transport stream"),
    "WAV": (b"RIFF\x10\0\0\0WAVEfmt ", FileKind.AUDIO, "a WAV file"),
    "MP3": (b"ID3\x04\0", FileKind.AUDIO, "an MP3 file"),
    "PSD": (b"8BPS\0\1" + b"\0" * 99, FileKind.PICTURE, "a Photoshop (PSD) picture"),
    "JPEG XL": (b"\xff\x0a\xfa\x7f\x90", FileKind.PICTURE, "a JPEG XL picture"),
    "JPEG XL in boxes": (b"\0\0\0\x0cJXL \r\n\x87\n", FileKind.PICTURE, "a JPEG XL picture"),
    "SGI": (b"\x01\xda\x01\x01" + bytes(99), FileKind.PICTURE, "an SGI picture"),
    "Sun raster": (b"\x59\xa6\x6a\x95" + bytes(99), FileKind.PICTURE, "a Sun raster picture"),
    "Targa": (
        struct.pack("<2xB9x2H2B", 2, 64, 64, 24, 0) + b"\1\2\3" * 99,
        FileKind.PICTURE,
        "what looks like a Targa (TGA) picture",
    ),
    "PCX": (b"\n\5\1\x08" + bytes(124), FileKind.PICTURE, "what looks like a PCX picture"),
    "PDF": (b"%PDF-1.7\n", FileKind.DOCUMENT, "a PDF document"),
    "gzip": (gzip.compress(b"x" * 99), FileKind.ARCHIVE, "gzip data"),
    "zip": (b"PK\x03\x04\x14\0", FileKind.ARCHIVE, "a ZIP archive"),
    "tar": (b"a.jpg".ljust(257, b"\0") + b"ustar\0", FileKind.ARCHIVE, "a tar archive"),
    "HTML": (
        b"\n <!DOCTYPE html><title>Sign in</title>",
        FileKind.TEXT,
        "an HTML page that begins with `<!DOC",
    ),
    "HTML with a comment": (
        b"<!-- x -->\n<html>",
        FileKind.TEXT,
        "an HTML page that begins with `<!-- x -->`",
    ),
    "HTML, UTF-16": ("\ufeff<html>".encode("utf-16-le"), FileKind.TEXT, "an HTML page"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", FileKind.TEXT, "an SVG drawing"),
    "SVG in XML": (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x --><svg>", FileKind.TEXT, "an SVG drawing"),
    "SVG with a DTD": (b"<!DOCTYPE svg PUBLIC 'a' [<!ENTITY b 'c'>]><svg>", FileKind.TEXT, "an SVG drawing"),
    "XML": (b"<?xml version='1.0'?><Error><Code>AccessDenied", FileKind.TEXT, "an XML document that begins"),
    "JSON": (b'{"code": 401}', FileKind.TEXT, 'a JSON document that begins with `{"code": 401}`'),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid", FileKind.TEXT, "a Git LFS pointer"),
    "Git LFS, its first name": (
        b"version https://hawser.github.com/spec/v1\n",
        FileKind.TEXT,
        "a Git LFS pointer",
    ),
    "DVC": (b"outs:\n- md5: a304afb9\n  size: 37891\n  path: a.jpg\n", FileKind.TEXT, "a DVC pointer"),
    "DVC, another order": (
        b"md5: f0\r\nouts:\r\n- cache: true\r\n  path: a\r\n",
        FileKind.TEXT,
        "a DVC pointer",
    ),
    "DVC, a comment": (
        b"# the shots\nwdir: ..\nouts:\n- etag: 1\n  path: a\n",
        FileKind.TEXT,
        "a DVC pointer",
    ),
    "YAML, no DVC": (
        b"title: a\nouts: 3\npath: b\n",
        FileKind.TEXT,
        "a text file that begins with `title: a`",
    ),
    "git-annex": (b"/annex/objects/SHA256E-s12--ab.jpg\n", FileKind.TEXT, "a git-annex pointer"),
    "git-annex, a link": (b"../.git/annex/objects/0k/9q/SHA1-s3--f/SHA1-s3--f", FileKind.TEXT, "a git-annex"),
    "Git Xet": (b"# xet version 0\nfilesize = 12\n", FileKind.TEXT, "a Git Xet pointer"),
    "symbolic link": (b"../pictures/a b.jpg", FileKind.TEXT, "a path as text, as Git stores a symbolic link"),
    "a sentence with a path": (b"See /etc/motd for more.", FileKind.TEXT, "a text file"),
    "internet shortcut": (
        b"[InternetShortcut]\r\nURL=https://a/b\r\n",
        FileKind.TEXT,
        "an internet shortcut",
    ),
    "Windows shortcut": (b"L\0\0\0\x01\x14\x02\0" + bytes(70), FileKind.DOCUMENT, "a Windows shortcut"),
    "macOS alias": (b"book\0\0\0\0mark\0\0\0\0", FileKind.DOCUMENT, "a macOS alias"),
    "macOS's companion": (
        b"\0\x05\x16\x07\0\x02\0\0Mac OS X",
        FileKind.DOCUMENT,
        "macOS's data about a file",
    ),
    "property list": (b"bplist00\xd1\1", FileKind.DOCUMENT, "a property list of macOS"),
    "Cygwin link": (b"!<symlink>\xff\xfea\0", FileKind.DOCUMENT, "a symbolic link of Cygwin"),
    "cursor": (b"\0\0\2\0\1\0\x20\x20\0\0\5\0\5\0" + bytes(50), FileKind.PICTURE, "a cursor (CUR)"),
    "animated cursor": (b"RIFF\x10\0\0\0ACONanih", FileKind.PICTURE, "an animated cursor (ANI)"),
    "Targa, no cursor": (
        b"\0\0\2\0\0\0\0\0\0\0\0\0\x40\0\x40\0\x18\0" + b"abc" * 50,
        FileKind.PICTURE,
        "what looks like a Targa (TGA) picture",
    ),
    "PNG of an iPhone's app": (
        b"\x89PNG\r\n\x1a\n\0\0\0\4CgBI\x50\0\x20\2",
        FileKind.PICTURE,
        "a PNG picture in Apple's own form",
    ),
    "NumPy": (b"\x93NUMPY\1\0v\0{'descr': '|u1'}", FileKind.DOCUMENT, "a NumPy array"),
    "Parquet": (b"PAR1\x15\4", FileKind.DOCUMENT, "a Parquet table"),
    "SQLite": (b"SQLite format 3\0\x10", FileKind.DOCUMENT, "an SQLite database"),
    "pickle": (pickle.dumps([1, "a"]), FileKind.DOCUMENT, "Python's pickle"),
    "zlib": (zlib.compress(b"\xff\xd8\xff"), FileKind.ARCHIVE, "zlib data"),
    "encrypted by OpenSSL": (
        b"Salted__" + bytes(range(60)),
        FileKind.ARCHIVE,
        "data that OpenSSL has encrypted",
    ),
    "encrypted by GnuPG": (b"-----BEGIN PGP MESSAGE-----\n", FileKind.TEXT, "encrypted text"),
    "data URL": (b"data:image/png;base64,iVBORw0KGgo", FileKind.TEXT, "a `data:` URL as text"),
    "Base64": (b"iVBORw0KGgoAAAANSUhEUg", FileKind.TEXT, "Base64 text"),
    "playlist": (b"#EXTM3U\n#EXT-X-VERSION:3", FileKind.TEXT, "a playlist (M3U8)"),
    "text": (b"\nNot found.\nSorry", FileKind.TEXT, "a text file that begins with `Not found.`"),
    "Latin-1": (
        "Fr\u00e9d\u00e9ric".encode("latin-1"),
        FileKind.TEXT,
        "a text file that begins with `Fr\u00e9",
    ),
    "long line": (b"x" * 5000, FileKind.TEXT, f"a text file that begins with `{'x' * 100}...`"),
    "text-mode PNG": (
        b"\x89PNG\n\x1a\n\0\0\0\rIHDR",
        FileKind.DAMAGED,
        "a PNG picture that a transfer as text",
    ),
    "replaced bytes": (
        "\ufffdPNG\r\n\x1a\n".encode(),
        FileKind.DAMAGED,
        "a file whose bytes were read as text",
    ),
    "unknown": (
        b"\x12\x34\x56\x78\x9a\xbc\xde\xf0\x11",
        FileKind.UNKNOWN,
        "the bytes 12 34 56 78 9a bc de f0",
    ),
}


@pytest.mark.parametrize("kind", sorted(PILLOW_FILES))
def test_files_that_pillow_writes(kind: str) -> None:
    data = encoded(quarters(64, 48), kind)
    assert describe_file(data) == PILLOW_FILES[kind]
    assert detect_file_type(data[:HEAD_BYTES]) == detect_file_type(data)


@pytest.mark.parametrize("name", sorted(HEADS))
def test_first_bytes(name: str) -> None:
    data, kind, words = HEADS[name]
    assert detect_file_type(data).kind is kind
    assert words in describe_file(data)


@pytest.mark.parametrize("name", sorted(HEADS))
def test_what_is_no_picture_and_no_clip_says_what_to_do(name: str) -> None:
    found = detect_file_type(HEADS[name][0])
    usual = found.kind in (FileKind.VIDEO, FileKind.AUDIO) or found.name in (
        "an AVIF picture",
        "a BigTIFF picture",
    )
    assert usual or found.todo.endswith((".", ")."))


@given(st.binary(max_size=600) | st.text(max_size=300).map(str.encode))
def test_any_bytes_have_a_short_printable_description(data: bytes) -> None:
    words = describe_file(data)
    assert words.isprintable()
    assert 5 < len(words) < 250


@given(st.binary(max_size=300))
def test_a_prefix_of_a_photograph_is_never_called_something_else(tail: bytes) -> None:
    assert detect_file_type(HUBBLE.read_bytes()[:64] + tail).name == "a JPEG picture"


def test_a_large_file_is_told_by_its_head() -> None:
    data = encoded(Image.new("RGB", (1000, 1000)), "BMP")
    assert detect_file_type(data) == detect_file_type(data[:HEAD_BYTES])
