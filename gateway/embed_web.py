"""Writes the files of web/ as C++ data: embed_web.py OUT FILE…"""

import gzip
import hashlib
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


def literal(data):
    lines = []
    for start in range(0, len(data), 100):
        text = ""
        for byte in data[start:start + 100]:
            plain = 32 <= byte < 127 and chr(byte) not in '"\\?'
            text += chr(byte) if plain else f"\\{byte:03o}"
        lines.append(f'    "{text}"')
    return "\n".join(lines) or '    ""'


def main():
    out, files = pathlib.Path(sys.argv[1]), sorted(map(pathlib.Path, sys.argv[2:]))
    code = ['#include "gateway/web_files.h"', "", "namespace sv::gateway {", "namespace {", ""]
    rows = []
    for i, file in enumerate(files):
        data = file.read_bytes()
        small = gzip.compress(data, 9, mtime=0)
        code += [f"constexpr char kData{i}[] =", literal(data) + ";", f"constexpr char kGzip{i}[] =", literal(small) + ";"]
        etag = hashlib.sha256(data).hexdigest()[:16]
        kind = TYPES.get(file.suffix, "application/octet-stream")
        rows.append(f'    {{"{file.name}", "{kind}", "\\"{etag}\\"", {{kData{i}, {len(data)}}}, {{kGzip{i}, {len(small)}}}}},')
    code += [f"constexpr WebFile kFiles[] = {{", *rows, "};", "", "}  // namespace", "",
             "std::span<const WebFile> web_files() { return kFiles; }", "", "}  // namespace sv::gateway", ""]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(code))


if __name__ == "__main__":
    main()
