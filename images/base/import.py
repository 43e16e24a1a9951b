#!/usr/bin/env python3
"""import.py rootfs|oci SOURCE ROOT: makes the root file system ROOT from a tar, a folder or an OCI image layout.

The source is not trusted: nothing is written outside ROOT, no device is made, and no link is followed out of it. Layers
of an OCI image are checked against their digests; whiteouts are carried out (image-spec, layer.md). ROOT must not be
there; it appears only when it is complete.
"""
import datetime
import gzip
import hashlib
import json
import lzma
import os
import pathlib
import platform
import shutil
import stat
import sys
import tarfile
import tempfile

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
MAX_LINKS = 40


class Refused(Exception):
    """What is wrong with the source, for a person."""


def parts_of(name):
    """The names of a path below the root; '..' is refused."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise Refused(f"the archive holds the path {name!r}, which leads out of it")
    return parts


class Tree:
    """A folder in which paths are resolved as if it were the root of the system."""

    def __init__(self, root):
        self.root = pathlib.Path(root)

    def folder(self, parts):
        """The real folder of these names: links are followed inside the tree, what is missing is made."""
        todo, at, links = list(parts), [], 0
        while todo:
            name = todo.pop(0)
            if name == "..":
                at = at[:-1]
                continue
            here = self.root.joinpath(*at, name)
            if here.is_symlink():
                links += 1
                if links > MAX_LINKS:
                    raise Refused(f"too many links on the way to {'/'.join(parts)}")
                target = os.readlink(here)
                at = [] if target.startswith("/") else at
                todo = [part for part in target.split("/") if part not in ("", ".")] + todo
                continue
            if not here.is_dir():
                if here.exists():
                    here.unlink()
                here.mkdir(mode=0o755)
            at.append(name)
        return self.root.joinpath(*at)

    def place(self, parts):
        return self.folder(parts[:-1]) / parts[-1]

    @staticmethod
    def remove(path):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path)

    def add(self, archive, member):
        parts = parts_of(member.name)
        if not parts or member.isdev() or parts[0] in ("proc", "sys"):
            return
        place = self.place(parts)
        if member.isdir():
            if place.is_symlink() or not place.is_dir():
                self.remove(place)
                place.mkdir()
            place.chmod(stat.S_IMODE(member.mode) & 0o777 | 0o500)
            return
        self.remove(place)
        if member.issym():
            place.symlink_to(member.linkname)
        elif member.islnk():
            source = self.place(parts_of(member.linkname))
            if not source.is_symlink() and not source.is_file():
                raise Refused(f"{member.name} is a hard link to {member.linkname}, which is not there")
            os.link(source, place, follow_symlinks=False)
        elif member.isreg():
            with archive.extractfile(member) as content, open(place, "wb") as out:
                shutil.copyfileobj(content, out, 1 << 20)
            place.chmod(stat.S_IMODE(member.mode) & 0o777 | 0o400)

    def whiteout(self, member):
        """Carries out a whiteout; True if the member was one."""
        parts = parts_of(member.name)
        if not parts or not parts[-1].startswith(".wh."):
            return False
        if parts[-1] == ".wh..wh..opq":
            for entry in list(self.folder(parts[:-1]).iterdir()):
                self.remove(entry)
        elif len(parts[-1]) > 4 and parts[-1][4:] not in ("", ".", ".."):
            self.remove(self.folder(parts[:-1]) / parts[-1][4:])
        return True


def unpack(stream, tree, layered):
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in archive:
            if not (layered and tree.whiteout(member)):
                tree.add(archive, member)


class Layout:
    """An OCI image layout: a folder with index.json and blobs/."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def blob(self, descriptor):
        algorithm, _, digest = descriptor["digest"].partition(":")
        if algorithm != "sha256" or len(digest) != 64 or not all(c in "0123456789abcdef" for c in digest):
            raise Refused(f"the layout names a blob by {descriptor['digest']!r}; want sha256")
        path = self.folder / "blobs" / "sha256" / digest
        found = hashlib.sha256()
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                found.update(piece)
        if found.hexdigest() != digest:
            raise Refused(f"the blob {digest} has the sha256 {found.hexdigest()}: the image is damaged")
        return path

    def manifest(self):
        index = json.loads((self.folder / "index.json").read_text())
        for _ in range(4):
            wanted = MACHINES.get(platform.machine(), platform.machine())
            entries = index["manifests"]
            fits = [e for e in entries if e.get("platform", {}).get("architecture", wanted) == wanted]
            if not fits:
                raise Refused(f"the image has nothing for {wanted}")
            index = json.loads(self.blob(fits[0]).read_text())
            if "layers" in index:
                return index
        raise Refused("the image's index leads to no manifest")

    def layers(self):
        for descriptor in self.manifest()["layers"]:
            if descriptor["mediaType"].endswith("zstd"):
                raise Refused("a layer is compressed with zstd, which is not supported: convert the image to gzip")
            yield self.blob(descriptor)


def import_oci(source, tree, work):
    if os.path.isfile(source):
        with open(source, "rb") as stream:
            unpack(stream, Tree(work), False)
        source = work
    for layer in Layout(source).layers():
        print(f"image: layer {layer.name[:12]}", file=sys.stderr)
        with open(layer, "rb") as stream:
            unpack(stream, tree, True)


def import_rootfs(source, tree):
    if os.path.isdir(source):
        shutil.copytree(source, tree.root, symlinks=True, dirs_exist_ok=True,
                        ignore=lambda folder, names: [n for n in names if not plain(os.path.join(folder, n))])
        return
    with open(source, "rb") as stream:
        unpack(stream, tree, False)


def plain(path):
    mode = os.lstat(path).st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def finish(root, source):
    etc = root / "etc"
    if etc.is_symlink() or not (root / "usr").is_dir():
        raise Refused("this is no root file system: it has no folder usr, or its etc is a link")
    etc.mkdir(exist_ok=True)
    for name in ("hosts", "resolv.conf"):  # the sandbox covers them, so they must be there as files
        if (etc / name).is_symlink() or not (etc / name).exists():
            Tree.remove(etc / name)
            (etc / name).touch(mode=0o644)
    installed = root / "var/lib/dpkg/status"
    packages = 0
    if installed.is_file() and not installed.is_symlink():
        packages = sum(line.startswith("Package: ") for line in installed.read_text(errors="replace").splitlines())
    size = sum(os.lstat(os.path.join(folder, name)).st_blocks * 512
               for folder, _, names in os.walk(root) for name in names)
    Tree.remove(etc / "millrace-image.json")
    (etc / "millrace-image.json").write_text(json.dumps({
        "version": 1, "source": source, "requested": [], "packages": packages, "size_bytes": size,
        "created_at": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")}) + "\n")
    root.chmod(0o755)


def main(kind, source, target):
    if os.path.lexists(target):
        raise Refused(f"{target} is there already")
    parent = os.path.dirname(target)
    os.makedirs(parent, exist_ok=True)
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix=".import.", dir=parent) as work:
        root = pathlib.Path(work) / "root"
        layout = pathlib.Path(work) / "layout"
        root.mkdir()
        layout.mkdir()
        if kind == "oci":
            import_oci(source, Tree(root), layout)
        else:
            import_rootfs(source, Tree(root))
        finish(root, f"{kind}:{os.path.abspath(source)}")
        os.rename(root, target)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Refused, OSError, EOFError, KeyError, ValueError, TypeError, tarfile.TarError, gzip.BadGzipFile,
            lzma.LZMAError) as error:
        print(f"image: could not import {sys.argv[2]}: {error}", file=sys.stderr)
        sys.exit(1)
