#!/usr/bin/env python3
"""Writes a C++ header and source that hold files as bytes. Used by millrace_embed (Embed.cmake)."""
import pathlib
import sys


def literal(data):
    """The bytes as C++ string literals of 48 bytes a line; octal escapes always have three digits, so none runs on."""
    lines = ("".join(f"\\{byte:03o}" for byte in data[at : at + 48]) for at in range(0, len(data), 48))
    return "\n    ".join(f'"{line}"' for line in lines) or '""'


def main(namespace, function, root, names, header, source):
    files = [name for name in pathlib.Path(names).read_text().splitlines() if name]
    blobs = [(pathlib.Path(root) / name).read_bytes() for name in files]
    pathlib.Path(header).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(header).write_text(
        "#pragma once\n#include <span>\n\n#include \"core/embedded.h\"\n\n"
        f"namespace {namespace} {{\n\nstd::span<const millrace::EmbeddedFile> {function}();\n\n}}\n")
    rows = "\n".join(
        f"    {{\"{name}\", std::string_view({literal(blob)}, {len(blob)})}}," for name, blob in zip(files, blobs))
    pathlib.Path(source).write_text(
        f"#include \"embed/{function}.h\"\n#include <array>\n\nnamespace {namespace} {{\nnamespace {{\n\n"
        f"constexpr std::array<millrace::EmbeddedFile, {len(files)}> kFiles{{{{\n{rows}\n}}}};\n\n}}  // namespace\n\n"
        f"std::span<const millrace::EmbeddedFile> {function}() {{ return kFiles; }}\n\n}}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
