#!/usr/bin/env python3
"""Breaks each rule of the layers on purpose, in a small project of its own that uses the real cmake/ folder.

usage: layers_prove.py PROJECT_ROOT CMAKE CXX NM
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT, CMAKE, CXX, NM = sys.argv[1:5]

TOP = """cmake_minimum_required(VERSION 3.25)
project(fixture LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 23)
option(MILLRACE_STRICT "" ON)
set(MILLRACE_TESTS OFF)
set(MILLRACE_FUZZ OFF)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
include({root}/cmake/Layers.cmake)
include({root}/cmake/Embed.cmake)
add_subdirectory(src)
"""

# A small tree in which nothing is wrong.
CLEAN = {
    "src/CMakeLists.txt": "millrace_add_modules()\n",
    "src/core/CMakeLists.txt": "millrace_module(core PURE SOURCES core.cc)\nmillrace_test(core core_test.cc)\n",
    "src/core/core.h": "#pragma once\nnamespace millrace::core { int one(int x); }\n",
    "src/core/core.cc": '#include "core/core.h"\nnamespace millrace::core { int one(int x) { return x; } }\n',
    "src/core/core_test.cc": '#include "core/core.h"\n',
    "src/energy/CMakeLists.txt": "millrace_module(energy PURE SOURCES energy.cc DEPENDS core)\n",
    "src/energy/energy.h": "#pragma once\nnamespace millrace::energy { int joules(); }\n",
    "src/energy/energy.cc": '#include "energy/energy.h"\nnamespace millrace::energy { int joules() { return 1; } }\n',
    "src/host/CMakeLists.txt": "millrace_module(host SOURCES host.cc DEPENDS core)\n",
    "src/host/host.h": "#pragma once\nnamespace millrace::host { int file(); }\n",
    "src/host/host.cc": '#include "core/core.h"\n#include "host/host.h"\n'
                        "namespace millrace::host { int file() { return core::one(1); } }\n",
    "src/store/CMakeLists.txt": "millrace_module(store SOURCES store.cc sqlite/db.cc memory/map.cc DEPENDS core host)\n",
    "src/store/store.h": "#pragma once\nnamespace millrace::store { int get(); }\n",
    "src/store/store.cc": '#include "host/host.h"\n#include "store/store.h"\n'
                          "namespace millrace::store { int get() { return host::file(); } }\n",
    "src/store/sqlite/db.h": "#pragma once\nnamespace millrace::store { int sqlite_get(); }\n",
    "src/store/sqlite/db.cc": '#include <sqlite3.h>\n#include "store/sqlite/db.h"\n'
                              "namespace millrace::store { int sqlite_get() { return sqlite3_initialize(); } }\n",
    "src/store/memory/map.h": "#pragma once\nnamespace millrace::store { int map_get(); }\n",
    "src/store/memory/map.cc": '#include "store/memory/map.h"\nnamespace millrace::store { int map_get() { return 1; } }\n',
    "src/identity/CMakeLists.txt": "millrace_module(identity SOURCES identity.cc DEPENDS core store)\n",
    "src/identity/identity.cc": '#include "store/store.h"\nnamespace millrace::identity { int who() { return store::get(); } }\n',
}


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    # CMake breaks its messages into lines; one line is easier to look into.
    return done.returncode, " ".join((done.stdout + done.stderr).split())


class Fixture(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-layers-"))
        cls.build = cls.folder / "build"
        (cls.folder / "CMakeLists.txt").write_text(TOP.format(root=ROOT))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def setUp(self):
        shutil.rmtree(self.folder / "src", ignore_errors=True)
        for name, text in CLEAN.items():
            self.write(name, text)

    def write(self, name, text):
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def append(self, name, text):
        self.write(name, (self.folder / name).read_text() + text)

    def configure(self, *options):
        return run(CMAKE, "-S", self.folder, "-B", self.build, "-G", "Ninja", f"-DCMAKE_CXX_COMPILER={CXX}",
                   "-DCMAKE_CXX_COMPILER_WORKS=1", "-DCMAKE_CXX_FLAGS=-O1", *options)

    def check(self, what, build=True):
        code, output = self.configure()
        self.assertEqual(code, 0, output)
        if build:
            code, output = run(CMAKE, "--build", self.build, "-j2")
            self.assertEqual(code, 0, output)
        return run(sys.executable, f"{ROOT}/cmake/layers.py", what, self.folder, self.build, NM)

    def refuses(self, outcome, *phrases):
        code, output = outcome
        self.assertNotEqual(code, 0, output)
        for phrase in phrases:
            self.assertIn(phrase, output)


class CleanTree(Fixture):
    def test_passes_every_check(self):
        for what in ("includes", "links", "pure"):
            self.assertEqual(self.check(what)[0], 0, self.check(what)[1])


class Configure(Fixture):
    def test_forbidden_edge(self):
        self.write("src/host/CMakeLists.txt", "millrace_module(host SOURCES host.cc DEPENDS core store)\n")
        self.refuses(self.configure(), "module host may not depend on store")

    def test_module_without_row(self):
        self.write("src/misc/CMakeLists.txt", "millrace_module(misc SOURCES a.cc)\n")
        self.refuses(self.configure(), "src/misc has no row in cmake/Layers.cmake")

    def test_module_under_another_name(self):
        self.write("src/host/CMakeLists.txt", "millrace_module(net SOURCES host.cc DEPENDS core)\n")
        self.refuses(self.configure(), "a module lives in the folder of its name")

    def test_pure_module_that_does_not_say_so(self):
        self.write("src/core/CMakeLists.txt", "millrace_module(core SOURCES core.cc)\nmillrace_test(core core_test.cc)\n")
        self.refuses(self.configure(), "declare it PURE")

    def test_pure_where_the_table_says_otherwise(self):
        self.write("src/host/CMakeLists.txt", "millrace_module(host PURE SOURCES host.cc DEPENDS core)\n")
        self.refuses(self.configure(), "is not in MILLRACE_PURE")

    def test_unregistered_test(self):
        self.write("src/host/host_test.cc", "\n")
        self.refuses(self.configure(), "src/host/host_test.cc is not registered")

    def test_unregistered_fuzz_target(self):
        self.write("src/host/host_fuzz.cc", "\n")
        self.refuses(self.configure(), "src/host/host_fuzz.cc is not registered")

    def test_unregistered_source_in_a_backend(self):
        self.write("src/store/sqlite/extra.cc", "\n")
        self.refuses(self.configure(), "src/store/sqlite/extra.cc is not registered")

    def test_unregistered_file_that_appears_after_the_configure_stops_the_build(self):
        self.assertEqual(self.configure()[0], 0)
        self.write("src/host/late_test.cc", "\n")
        self.refuses(run(CMAKE, "--build", self.build), "src/host/late_test.cc is not registered")

    def test_registered_file_that_does_not_exist(self):
        (self.folder / "src/core/core_test.cc").unlink()
        self.refuses(self.configure(), "names core_test.cc, which does not exist")

    def test_module_that_was_not_added(self):
        (self.folder / "src/host/CMakeLists.txt").unlink()
        self.refuses(self.configure(), "src/host has no CMakeLists.txt")


class Includes(Fixture):
    def refused(self, name, line, *phrases):
        self.append(name, line + "\n")
        self.refuses(self.check("includes", build=False), *phrases)

    def test_header_outside_the_row(self):
        self.refused("src/host/host.cc", '#include "store/store.h"', "src/host/host.cc:4: store/store.h is outside the row")

    def test_header_of_a_module_reached_only_through_another(self):
        self.refused("src/host/host.cc", '#include "energy/energy.h"', "outside the row of host")

    def test_folder_above_in_a_module_whose_folders_are_layers(self):
        self.write("src/scheduler/CMakeLists.txt", "millrace_module(scheduler PURE SOURCES books/pool.cc pass/pass.cc)\n")
        self.write("src/scheduler/books/pool.cc", "\n")
        self.write("src/scheduler/pass/pass.h", "#pragma once\n")
        self.write("src/scheduler/pass/pass.cc", '#include "scheduler/books/pool.h"\n#include "scheduler/pass/pass.h"\n')
        self.assertEqual(self.check("includes", build=False)[0], 0)
        self.refused("src/scheduler/books/pool.cc", '#include "scheduler/pass/pass.h"',
                     "src/scheduler/books/pool.cc:2: scheduler/pass/pass.h is in a folder above scheduler/books")

    def test_backend_of_another_module(self):
        self.refused("src/identity/identity.cc", '#include "store/sqlite/db.h"', "is private to store")

    def test_backend_from_its_own_port(self):
        self.refused("src/store/store.cc", '#include "store/sqlite/db.h"', "private to the backend store/sqlite")

    def test_one_backend_from_another(self):
        self.refused("src/store/memory/map.cc", '#include "store/sqlite/db.h"', "private to the backend store/sqlite")

    def test_restricted_third_party_header(self):
        self.refused("src/host/host.cc", "#include <CLI/CLI.hpp>", "CLI/CLI.hpp is restricted to: cli apps")

    def test_header_restricted_to_one_backend(self):
        self.refused("src/store/store.cc", "#include <sqlite3.h>", "sqlite3.h is restricted to: store/sqlite")

    def test_header_that_nobody_may_include(self):
        self.refused("src/host/host.cc", "#include <iostream>", "restricted to: nobody")

    def test_impure_header_in_a_pure_module(self):
        self.refused("src/energy/energy.cc", "#include <thread>", "energy is PURE")

    def test_header_without_its_module(self):
        self.refused("src/host/host.cc", '#include "host.h"', "is not a header of a module")

    def test_own_header_in_angle_brackets(self):
        self.refused("src/host/host.cc", "#include <core/core.h>", "write it in quotes")

    def test_extern_function_by_hand(self):
        self.refused("src/host/host.cc", "extern int store_get();", "extern declaration by hand")

    def test_namespace_of_another_module(self):
        self.refused("src/host/host.cc", "namespace millrace::store { int get(); }", "opens namespace millrace::store")

    def test_namespace_of_a_module_outside_the_row_in_a_header(self):
        self.refused("src/host/host.h", "namespace millrace::store { class Db; }", "opens namespace millrace::store")

    def test_comment_is_not_an_include(self):
        self.append("src/host/host.cc", '// #include "store/store.h"\n/*\n#include "store/store.h"\n*/\n')
        self.assertEqual(self.check("includes", build=False)[0], 0)

    def test_tests_may_use_the_memory_backend_below_them(self):
        self.write("src/identity/identity_test.cc", '#include "store/memory/map.h"\n#include "host/host.h"\n')
        self.append("src/identity/CMakeLists.txt", "millrace_test(identity identity_test.cc)\n")
        self.assertEqual(self.check("includes", build=False)[0], 0)

    def test_tests_may_not_use_a_real_backend_of_another_module(self):
        self.append("src/identity/CMakeLists.txt", "millrace_test(identity identity_test.cc)\n")
        self.write("src/identity/identity_test.cc", "")
        self.refused("src/identity/identity_test.cc", '#include "store/sqlite/db.h"', "is private to store")


class Links(Fixture):
    def test_function_declared_by_hand(self):
        # No include, and a namespace spelled so that the scan of the text does not see it.
        self.append("src/host/host.cc", "namespace millrace { namespace energy { int joules(); } }\n"
                                        "namespace millrace::host { int taken() { return energy::joules(); } }\n")
        self.refuses(self.check("links"), "host takes millrace::energy::joules() from energy")

    def test_function_of_a_module_below_a_declared_one(self):
        self.append("src/identity/identity.cc", "namespace millrace { namespace host { int file(); } }\n"
                                                "namespace millrace::identity { int taken() { return host::file(); } }\n")
        self.refuses(self.check("links"), "identity takes millrace::host::file() from host, but declares only: core store")

    def test_function_that_nobody_defines(self):
        self.append("src/host/host.cc", "namespace millrace::host { int ghost(); int taken() { return ghost(); } }\n")
        self.refuses(self.check("links"), "host takes millrace::host::ghost(), which no module defines")

    def test_third_party_function_declared_by_hand(self):
        self.append("src/host/host.cc", 'extern "C" int sqlite3_shutdown();\n'
                                        "namespace millrace::host { int taken() { return sqlite3_shutdown(); } }\n")
        self.refuses(self.check("links"), "host takes sqlite3_shutdown")


class Embed(Fixture):
    """millrace_embed (cmake/Embed.cmake) gives back the bytes of the files, and follows their changes."""

    def test_bytes_come_back_and_changes_are_followed(self):
        self.write("src/core/embedded.h", pathlib.Path(ROOT, "src/core/embedded.h").read_text())
        every_byte = bytes(range(256)) + b"??/7\0009"
        (self.folder / "web/inner").mkdir(parents=True)
        (self.folder / "web/inner/all.bin").write_bytes(every_byte)
        self.write("web/empty.txt", "")
        self.write("src/apps/CMakeLists.txt",
                   "millrace_program(show SOURCES main.cc web.cc DEPENDS core)\n"
                   "millrace_embed(apps millrace::apps web ROOT ../../web FILES inner/all.bin empty.txt)\n")
        self.write("src/apps/web.cc", '#include "embed/web.h"\n')
        self.write("src/apps/main.cc", '#include "embed/web.h"\n#include <cstdio>\n'
                   "int main() { for (auto& f : millrace::apps::web()) "
                   'std::printf("%s %zu\\n", f.path.data(), fwrite(f.bytes.data(), 1, f.bytes.size(), stderr)); }\n')
        for content in (every_byte, b"changed"):
            (self.folder / "web/inner/all.bin").write_bytes(content)
            self.assertEqual(self.configure()[0], 0)
            code, output = run(CMAKE, "--build", self.build, "-j2", "--target", "show")
            self.assertEqual(code, 0, output)
            shown = subprocess.run([self.build / "show"], capture_output=True)
            self.assertEqual(shown.stderr, content)
            self.assertEqual(shown.stdout.decode(), f"inner/all.bin {len(content)}\nempty.txt 0\n")


class Pure(Fixture):
    def refused(self, code, symbol):
        self.append("src/energy/energy.cc", code + "\n")
        self.refuses(self.check("pure"), "energy is PURE but takes " + symbol)

    def test_clock(self):
        self.refused("#include <chrono>\nauto now() { return std::chrono::steady_clock::now(); }",
                     "std::chrono::_V2::steady_clock::now")

    def test_randomness(self):
        self.refused("#include <cstdlib>\nint draw() { return rand(); }", "rand")

    def test_random_device(self):
        self.refused("#include <random>\nunsigned draw() { return std::random_device{}(); }", "std::random_device::")

    def test_file(self):
        self.refused('extern "C" int open(const char*, int, ...);\nint f() { return open("/tmp", 0); }', "open")

    def test_print(self):
        self.refused('#include <cstdio>\nvoid say(int x) { std::printf("%d", x); }', "printf")

    def test_environment(self):
        self.refused('#include <cstdlib>\nconst char* home() { return std::getenv("HOME"); }', "getenv")

    def test_thread(self):
        self.refused("#include <thread>\nvoid go() { std::thread([] {}).join(); }", "std::thread::")

    def test_libm(self):
        self.refused("#include <cmath>\ndouble e(double x) { return std::exp(x); }", "exp")

    def test_exact_arithmetic_is_allowed(self):
        self.append("src/energy/energy.cc", "#include <cmath>\ndouble f(double x) { return std::floor(std::sqrt(x)); }\n")
        self.assertEqual(self.check("pure")[0], 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
