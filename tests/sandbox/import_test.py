"""images/base/import.py on images of strangers: what is made of them, and that nothing is written elsewhere."""
import gzip
import hashlib
import io
import json
import pathlib
import platform
import subprocess
import sys
import tarfile
import tempfile
import unittest

PROGRAM = pathlib.Path(__file__).resolve().parent.parent.parent / "images/base/import.py"
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def entry(name, text=None, **more):
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if text is None else tarfile.REGTYPE
    info.mode = 0o755 if text is None else 0o644
    info.size = len(text or "")
    for key, value in more.items():
        setattr(info, key, value)
    return info, io.BytesIO((text or "").encode())


def link(name, to, kind=tarfile.SYMTYPE):
    return entry(name, "", type=kind, linkname=to)


def tar(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for info, content in entries:
            archive.addfile(info, content)
    return out.getvalue()


class Import(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="millrace-import-")
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)
        self.target = self.work / "images/new"

    def run_import(self, kind, source):
        return subprocess.run([sys.executable, PROGRAM, kind, source, self.target], capture_output=True, text=True,
                              timeout=50)

    def made(self, kind, source):
        done = self.run_import(kind, source)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([p.name for p in self.target.parent.iterdir()], ["new"], "nothing else is left")
        return json.loads((self.target / "etc/millrace-image.json").read_text())

    def refused(self, kind, source):
        done = self.run_import(kind, source)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertFalse(self.target.exists())
        self.assertEqual(list(self.target.parent.iterdir()), [], "nothing half made is left")
        return done.stderr

    def archive(self, *entries):
        path = self.work / "a.tar"
        path.write_bytes(tar(entry("usr"), *entries))
        return path

    def layout(self, *layers, media="application/vnd.oci.image.layer.v1.tar+gzip", damage=False):
        folder = self.work / "layout"
        blobs = folder / "blobs/sha256"
        blobs.mkdir(parents=True)

        def blob(data):
            digest = hashlib.sha256(data).hexdigest()
            (blobs / digest).write_bytes(data)
            return {"digest": "sha256:" + digest, "size": len(data)}

        described = [{**blob(gzip.compress(layer)), "mediaType": media} for layer in layers]
        manifest = {**blob(json.dumps({"schemaVersion": 2, "layers": described}).encode()),
                    "platform": {"architecture": MACHINE, "os": "linux"}}
        other = {"digest": "sha256:" + "0" * 64, "size": 1, "platform": {"architecture": "s390x", "os": "linux"}}
        (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [other, manifest]}))
        if damage:
            path = blobs / described[0]["digest"][7:]
            path.write_bytes(path.read_bytes()[:-1] + b"x")
        return folder

    def test_a_root_file_system_in_a_tar(self):
        about = self.made("rootfs", self.archive(entry("./usr/bin"), entry("./usr/bin/x", "run", mode=0o4755), link("bin", "usr/bin"),
                                                 link("usr/bin/y", "usr/bin/x", tarfile.LNKTYPE)))
        self.assertEqual((self.target / "bin/x").read_text(), "run")
        self.assertEqual((self.target / "usr/bin/y").stat().st_nlink, 2)
        self.assertEqual((self.target / "usr/bin/x").stat().st_mode & 0o7777, 0o755, "no setuid bit")
        self.assertTrue((self.target / "etc/hosts").is_file(), "a place for what the sandbox puts there")
        self.assertTrue(about["source"].startswith("rootfs:/"))
        self.assertGreater(about["size_bytes"], 0)

    def test_a_folder(self):
        source = self.work / "source"
        (source / "usr/lib").mkdir(parents=True)
        (source / "usr/lib/x").write_text("1")
        (source / "lib").symlink_to("usr/lib")
        self.made("rootfs", source)
        self.assertEqual((self.target / "lib/x").read_text(), "1")

    def test_layers_with_whiteouts(self):
        one = tar(entry("usr"), entry("usr/lib"), link("lib", "usr/lib"), entry("usr/lib/old", "1"), entry("usr/lib/kept", "1"),
                  entry("opt"), entry("opt/a", "1"), entry("opt/b", "1"))
        two = tar(entry("lib/.wh.old", ""), entry("lib/new", "2"), entry("opt/.wh..wh..opq", ""), entry("opt/c", "2"))
        self.made("oci", self.layout(one, two))
        self.assertEqual(sorted(p.name for p in (self.target / "usr/lib").iterdir()), ["kept", "new"])
        self.assertEqual([p.name for p in (self.target / "opt").iterdir()], ["c"])
        self.assertTrue((self.target / "lib").is_symlink())

    def test_a_tar_of_a_layout(self):
        folder = self.layout(tar(entry("usr"), entry("usr/x", "1")))
        path = self.work / "image.tar"
        with tarfile.open(path, "w") as archive:
            archive.add(folder, ".")
        self.made("oci", path)
        self.assertEqual((self.target / "usr/x").read_text(), "1")

    def test_a_damaged_layer_is_refused(self):
        self.assertIn("damaged", self.refused("oci", self.layout(tar(entry("usr")), damage=True)))

    def test_what_cannot_be_unpacked_is_said(self):
        self.assertIn("zstd", self.refused("oci", self.layout(tar(entry("usr")), media="x.tar+zstd")))

    def test_paths_that_lead_out_are_refused(self):
        for name in ("../outside", "usr/../../outside", "a/.wh..."):
            if ".." in name.split("/"):
                self.assertIn("leads out", self.refused("rootfs", self.archive(entry(name, "x"))))
        self.assertFalse((self.work / "outside").exists())
        self.assertFalse((self.work / "images/outside").exists())

    def test_links_are_followed_inside_only(self):
        outside = self.work / "outside"
        outside.mkdir()
        for target in (str(outside), "../../../../../../../.." + str(outside), "/../" + str(outside)):
            path = self.archive(link("l", target), entry("l/x", "1"), entry("/absolute", "1"))
            self.made("rootfs", path)
            self.assertEqual(list(outside.iterdir()), [])
            self.assertTrue((self.target / "absolute").is_file())
            subprocess.run(["rm", "-rf", self.target], check=True)

    def test_a_hard_link_takes_nothing_from_outside(self):
        (self.work / "secret").write_text("treasure")
        path = self.archive(link("l", str(self.work)), link("h", "l/secret", tarfile.LNKTYPE))
        self.assertIn("not there", self.refused("rootfs", path))

    def test_whiteouts_remove_nothing_outside(self):
        (self.work / "victim").write_text("1")
        self.made("oci", self.layout(tar(entry("usr"), link("l", str(self.work))), tar(entry("l/.wh.victim", ""))))
        self.assertTrue((self.work / "victim").exists())

    def test_devices_are_left_out(self):
        self.made("rootfs", self.archive(entry("null", "", type=tarfile.CHRTYPE), entry("fifo", "", type=tarfile.FIFOTYPE)))
        self.assertFalse((self.target / "null").exists())

    def test_rings_of_links_end(self):
        self.assertIn("too many links", self.refused("rootfs", self.archive(link("a", "b"), link("b", "a"), entry("a/x", "1"))))

    def test_nonsense_is_refused_in_words(self):
        path = self.work / "nonsense"
        path.write_bytes(b"no tar at all" * 100)
        self.refused("rootfs", path)
        self.refused("oci", path)
        self.refused("oci", self.work / "absent")
        self.assertIn("no root file system", self.refused_without_usr())

    def refused_without_usr(self):
        path = self.work / "b.tar"
        path.write_bytes(tar(entry("home")))
        return self.refused("rootfs", path)


if __name__ == "__main__":
    unittest.main()
