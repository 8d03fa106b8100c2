"""Knows binary files by their first bytes."""

from __future__ import annotations

import struct

from kling_airflow.media.file_kinds import FileKind, FileType

_EXPORT = "Export it as JPEG or PNG and use that file."
_DEVELOP = "Develop it in a raw converter, export it as JPEG or TIFF, and use that file."
_UNPACK = "Unpack it and use the file within."

UNKNOWN = FileType("a file of an unknown type", FileKind.UNKNOWN, _EXPORT)
EMPTY = FileType("an empty file", FileKind.DAMAGED, "Store the file again: its upload may have been cut off.")
HEIC = FileType(
    "a HEIC picture",
    FileKind.PICTURE,
    "Install the extra `kling_airflow[heif]`, or export the picture as JPEG (on an iPhone: Settings, Camera, "
    "Formats, Most Compatible).",
)
JPEG = FileType("a JPEG picture", FileKind.PICTURE)
PNG = FileType("a PNG picture", FileKind.PICTURE)
TIFF = FileType("a TIFF picture", FileKind.PICTURE)
BIGTIFF = FileType("a BigTIFF picture", FileKind.PICTURE)
AVIF = FileType("an AVIF picture", FileKind.PICTURE)
MP4 = FileType("an MP4 video", FileKind.VIDEO)
RAW = FileType("a raw picture of a camera", FileKind.PICTURE, _DEVELOP)


def _picture(name: str, todo: str = "") -> FileType:
    return FileType(name, FileKind.PICTURE, todo)


def _video(name: str) -> FileType:
    return FileType(name, FileKind.VIDEO)


def _archive(name: str) -> FileType:
    return FileType(name, FileKind.ARCHIVE, _UNPACK)


def _data(name: str) -> FileType:
    return FileType(name, FileKind.DOCUMENT, "Store the picture in it as a JPEG or PNG file, and use that.")


_MANGLED = FileType(
    "a PNG picture that a transfer as text has damaged",
    FileKind.DAMAGED,
    "Transfer the file again in binary mode.",
)
_REPLACED = FileType(
    "a file whose bytes were read as text and replaced",
    FileKind.DAMAGED,
    "Store the file again from its source, read and written as bytes.",
)
_CRUSHED = _picture(
    "a PNG picture in Apple's own form (CgBI)",
    "Take it from the app's sources, or export it on a Mac as PNG.",
)
_DICOM = _picture("a DICOM picture", _EXPORT)
_JPEG_XL = _picture("a JPEG XL picture", _EXPORT)
_JPEG_2000 = _picture("a JPEG 2000 picture")
_NETPBM = _picture("a PPM, PGM or PBM picture")
_LINKED = "Use the file that it refers to: store that file itself."
_DECRYPT = "Decrypt it and use the file within."
_COMPANION = "Use the file of the same name without the `._` in front."
_PDF = FileType("a PDF document", FileKind.DOCUMENT, "Export its page as PNG and use that file.")
_POSTSCRIPT = FileType("a PostScript document", FileKind.DOCUMENT, _EXPORT)

# Offset, bytes, type. The first that matches counts.
_MAGIC: tuple[tuple[int, bytes, FileType], ...] = (
    (0, b"\xff\xd8\xff\xf7", _picture("a JPEG-LS picture", _EXPORT)),
    (0, b"\xff\xd8\xff", JPEG),
    (12, b"CgBI", _CRUSHED),
    (0, b"\x89PNG\r\n\x1a\n", PNG),
    (0, b"\x89PNG", _MANGLED),
    (0, b"\xef\xbf\xbdPNG", _REPLACED),
    (0, b"\xef\xbf\xbd\xef\xbf\xbd", _REPLACED),
    (0, b"GIF87a", _picture("a GIF picture")),
    (0, b"GIF89a", _picture("a GIF picture")),
    (8, b"CR\x02", RAW),
    (0, b"II*\0", TIFF),
    (0, b"MM\0*", TIFF),
    (0, b"II+\0", BIGTIFF),
    (0, b"MM\0+", BIGTIFF),
    (0, b"II\xbc\x01", _picture("a JPEG XR picture", _EXPORT)),
    (0, b"IIU\0", RAW),
    (0, b"IIRO", RAW),
    (0, b"IIRS", RAW),
    (0, b"MMOR", RAW),
    (0, b"FUJIFILMCCD-RAW", RAW),
    (0, b"FOVb", RAW),
    (0, b"\0MRM", RAW),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", _JPEG_2000),
    (0, b"\xff\x4f\xff\x51", _JPEG_2000),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", _JPEG_XL),
    (0, b"\xff\x0a", _JPEG_XL),
    (0, b"8BPS", _picture("a Photoshop (PSD) picture", _EXPORT)),
    (0, b"gimp xcf", _picture("a GIMP (XCF) picture", _EXPORT)),
    (0, b"v/1\x01", _picture("an OpenEXR picture", _EXPORT)),
    (0, b"#?RADIANCE", _picture("a Radiance HDR picture", _EXPORT)),
    (0, b"#?RGBE", _picture("a Radiance HDR picture", _EXPORT)),
    (0, b"DDS ", _picture("a DDS texture", _EXPORT)),
    (0, b"qoif", _picture("a QOI picture", _EXPORT)),
    (0, b"FLIF", _picture("a FLIF picture", _EXPORT)),
    (0, b"BPG\xfb", _picture("a BPG picture", _EXPORT)),
    (0, b"icns", _picture("an icon (ICNS)", _EXPORT)),
    (0, b"\0\0\x01\0", _picture("an icon (ICO)", _EXPORT)),
    (0, b"\x01\xda", _picture("an SGI picture", _EXPORT)),
    (0, b"\x59\xa6\x6a\x95", _picture("a Sun raster picture", _EXPORT)),
    (0, b"\xd7\xcd\xc6\x9a", _picture("a WMF drawing", _EXPORT)),
    (40, b" EMF", _picture("an EMF drawing", _EXPORT)),
    (0, b"SIMPLE  =", _picture("a FITS picture", _EXPORT)),
    (128, b"DICM", _DICOM),
    (
        0,
        b"\0\x05\x16\x07",
        FileType("macOS's data about a file (AppleDouble)", FileKind.DOCUMENT, _COMPANION),
    ),
    (0, b"L\0\0\0\x01\x14\x02\0", FileType("a Windows shortcut", FileKind.DOCUMENT, _LINKED)),
    (0, b"book\0\0\0\0mark", FileType("a macOS alias", FileKind.DOCUMENT, _LINKED)),
    (0, b"!<symlink>", FileType("a symbolic link of Cygwin", FileKind.DOCUMENT, _LINKED)),
    (0, b"bplist00", FileType("a property list of macOS", FileKind.DOCUMENT, _LINKED)),
    (0, b"Salted__", FileType("data that OpenSSL has encrypted", FileKind.ARCHIVE, _DECRYPT)),
    (0, b"\x93NUMPY", _data("a NumPy array")),
    (0, b"PAR1", _data("a Parquet table")),
    (0, b"SQLite format 3\0", _data("an SQLite database")),
    (0, b"\x89HDF\r\n", _data("an HDF5 file")),
    (0, b"\x80\x04\x95", _data("Python's pickle")),
    (0, b"\x80\x05\x95", _data("Python's pickle")),
    (0, b"\xabKTX ", _picture("a KTX texture", _EXPORT)),
    (0, b"\0\xffKA", _picture("an Affinity document", _EXPORT)),
    (0, b"BLENDER", _picture("a Blender scene", "Render it, and use the picture.")),
    (0, b"AT&TFORM", FileType("a DjVu document", FileKind.DOCUMENT, _EXPORT)),
    (0, b"\x8aMNG", _picture("an MNG animation", _EXPORT)),
    (0, b"%PDF", _PDF),
    (0, b"\xef\xbb\xbf%PDF", _PDF),
    (0, b"%!PS", _POSTSCRIPT),
    (0, b"\xc5\xd0\xd3\xc6", _POSTSCRIPT),
    (0, b"\xd0\xcf\x11\xe0", FileType("a Microsoft Office document", FileKind.DOCUMENT, _EXPORT)),
    (0, b"\x1f\x8b", _archive("gzip data")),
    (0, b"\x78\x01", _archive("zlib data")),
    (0, b"\x78\x9c", _archive("zlib data")),
    (0, b"\x78\xda", _archive("zlib data")),
    (0, b"\x04\x22\x4d\x18", _archive("LZ4 data")),
    (0, b"PK\x03\x04", _archive("a ZIP archive")),
    (0, b"PK\x05\x06", _archive("a ZIP archive")),
    (0, b"BZh", _archive("bzip2 data")),
    (0, b"\xfd7zXZ\0", _archive("xz data")),
    (0, b"\x28\xb5\x2f\xfd", _archive("Zstandard data")),
    (0, b"7z\xbc\xaf\x27\x1c", _archive("a 7z archive")),
    (0, b"Rar!\x1a\x07", _archive("a RAR archive")),
    (257, b"ustar", _archive("a tar archive")),
    (0, b"\x1aE\xdf\xa3", _video("a Matroska or WebM video")),
    (0, b"FLV\x01", _video("a Flash video")),
    (0, b"\0\0\x01\xba", _video("an MPEG program stream")),
    (0, b"\0\0\x01\xb3", _video("an MPEG video")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _video("a Windows Media video")),
    (0, b"OggS", _video("an Ogg file")),
    (0, b"ID3", FileType("an MP3 file", FileKind.AUDIO)),
    (0, b"fLaC", FileType("a FLAC file", FileKind.AUDIO)),
    (0, b"caff", FileType("a Core Audio file", FileKind.AUDIO)),
)


def match_signature(head: bytes) -> FileType | None:
    """Return the type of a binary file, or None if no signature matches."""
    for offset, magic, file_type in _MAGIC:
        if head.startswith(magic, offset):
            return file_type
    return _by_structure(head)


def _by_structure(head: bytes) -> FileType | None:
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"moof", b"styp"):
        return _video("a QuickTime or MP4 video without its file type box")
    if head[:4] == b"RIFF":
        return {
            b"WEBP": _picture("a WebP picture"),
            b"AVI ": _video("an AVI video"),
            b"WAVE": FileType("a WAV file", FileKind.AUDIO),
            b"ACON": _picture("an animated cursor (ANI)", _EXPORT),
        }.get(head[8:12], FileType("a RIFF file", FileKind.UNKNOWN, _EXPORT))
    if head[:4] == b"\0\0\2\0" and any(head[4:6]):  # in a Targa picture, both bytes are zero
        return _picture("a cursor (CUR)", _EXPORT)
    if head[:2] == b"BM" and len(head) >= 18 and struct.unpack("<I", head[14:18])[0] in _BMP_HEADERS:
        return _picture("a BMP picture")
    if head[:1] == b"P" and head[1:2] in b"123456fFy7" and head[2:3] in b" \t\r\n#":
        # PFM (`Pf`, `PF`) holds floats, PAM (`P7`) any channels, `Py` a signed gray.
        return _NETPBM if head[1:2] in b"123456y" else _picture("a PFM or PAM picture", _EXPORT)
    if head[:1] == b"\x47" and head[188:189] == head[376:377] == b"\x47":
        return _video("an MPEG transport stream")
    return None


_TGA_KINDS = (1, 2, 3, 9, 10, 11)
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # sizes of the second header that are in use
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_HEIF_GENERAL = {b"mif1", b"msf1", b"mif2"}


def _by_brand(head: bytes) -> FileType:
    """Tell HEIC, AVIF, raw pictures and videos apart, which share the ISO base media container."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    major = head[8:12]
    brands = {major, *(head[at : at + 4] for at in range(16, size - 3, 4))}
    if major == b"crx ":
        return RAW
    if brands & {b"avif", b"avis"}:
        return AVIF
    if brands & _HEIF_BRANDS or major in _HEIF_GENERAL:
        return HEIC
    if major in (b"jp2 ", b"jpx ", b"jpm "):
        return _JPEG_2000
    if major == b"qt  ":
        return _video("a QuickTime video")
    if major in (b"M4A ", b"M4B "):
        return FileType("an M4A file", FileKind.AUDIO)
    return MP4


def guess_type(head: bytes) -> FileType:
    """Return what bytes that match no signature look like."""
    if not head.strip(b"\0"):
        return FileType("a file of zero bytes only", FileKind.DAMAGED, EMPTY.todo)
    if head[:1] == b"\xff" and head[1:2] in (b"\xfb", b"\xf3", b"\xf2", b"\xf1", b"\xf9"):
        return FileType("an MP3 or AAC file", FileKind.AUDIO)
    if head.count(b"\xef\xbf\xbd") > len(head) // 16:
        return _REPLACED
    if len(head) > 18 and head[1] <= 1 and head[2] in _TGA_KINDS and head[16] in (8, 15, 16, 24, 32):
        return _picture("what looks like a Targa (TGA) picture", _EXPORT)
    if head[:1] == b"\n" and head[1:2] in b"\0\2\3\4\5" and head[2:3] == b"\1":
        return _picture("what looks like a PCX picture", _EXPORT)
    return UNKNOWN
