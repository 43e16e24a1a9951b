#!/usr/bin/env python3
"""Every rule of tools/style.py fires on its bad example and leaves its good one alone; the ratchet only goes down.

usage: style_prove.py PROJECT_ROOT
"""
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(ROOT / "tools"))
import style  # noqa: E402
import style_rules  # noqa: E402

PATHS = ("src/net/a.cc", "src/net/a_test.cc", "console/app.js", "tests/x/run.py", "src/core/a.cc")


def place_for(rule, code):
    """A path that the rule holds for."""
    names = [name for name in PATHS if code == (pathlib.PurePath(name).suffix in style.CODE)]
    return next((n for n in names + list(PATHS) if rule.applies(n, style.is_test(n))), None)


class Project(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="millrace-style-")
        self.root = pathlib.Path(self.temporary.name)
        self.write("cmake/Layers.cmake", "set(MILLRACE_PURE core energy)\n")

    def tearDown(self):
        self.temporary.cleanup()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def found(self):
        return {(f.rule, f.path) for f in style.check(self.root)}

    def fires(self, rule, name, text):
        self.write(name, text)
        self.assertIn((rule, name), self.found())

    def spares(self, rule, name, text):
        self.write(name, text)
        self.assertNotIn((rule, name), self.found())


class Tables(Project):
    def test_every_code_rule(self):
        for rule in style_rules.RULES:
            with self.subTest(rule.name):
                name = place_for(rule, True)
                self.fires(rule.name, name, f"void f() {{\n{rule.bad}\n}}\n")
                self.spares(rule.name, name, f"void f() {{\n{rule.good}\n}}\n")
                self.spares(rule.name, name, f'// {rule.bad}\nauto s = "{rule.bad}";\n')

    def test_every_text_rule(self):
        for rule in style_rules.TEXT_RULES:
            with self.subTest(rule.name):
                name = place_for(rule, False)
                self.fires(rule.name, name, f"{rule.bad}\n")
                self.spares(rule.name, name, f"{rule.good}\n")

    def test_exceptions_of_place(self):
        self.spares("printf", "src/cli/a.cc", "void f() { printf(x); }\n")
        self.spares("getenv", "src/apps/a.cc", "void f() { getenv(x); }\n")
        self.spares("sleep", "src/net/a.cc", "void f() { sleep_for(x); }\n")
        self.spares("naked-new", "src/net/a.cc", "auto f() { return std::unique_ptr<A>(new A(1)); }\n")

    def test_todo_with_an_entry_in_the_status(self):
        line = "// TO" + "DO(quota): weekly limits\n"
        self.fires("todo", "src/net/a.cc", line)
        self.write("docs/status.md", "- quota: weekly limits are not started\n")
        self.assertNotIn(("todo", "src/net/a.cc"), self.found())


class Structure(Project):
    def test_long_file(self):
        self.fires("file-size", "src/net/a.cc", "\n" * 501)
        self.spares("file-size", "src/net/a.cc", "\n" * 500)

    def test_long_function(self):
        body = "  x();\n" * 59
        for head in ("int f(int a) {", "A::A(int a) : a_(a), b_{a} {", "TEST(A, B) {", "template <class T>\nauto f(T t) -> int {",
                     "namespace n {\nclass A {\n void f() const override {"):
            tail = "}\n" * head.count("{") if "namespace" in head else "}\n"
            with self.subTest(head):
                self.fires("function-size", "src/net/a.cc", f"{head}\n{body}{tail}")
                self.spares("function-size", "src/net/a.cc", f"{head}\n" + "  x();\n" * 57 + tail)

    def test_braces_in_text_do_not_count(self):
        self.spares("function-size", "src/net/a.cc", "void f() { g('{', \"{\", R\"({)\"); }\n" + "void g() {}\n" * 70)

    def test_long_class_is_no_long_function(self):
        self.spares("function-size", "src/net/a.h", "// A.\n#pragma once\nclass A {\n" + "  int f(int a);\n" * 90 + "};\n")

    def test_long_python_function(self):
        self.fires("function-size", "tests/x/run.py", "def f():\n" + "    pass\n" * 60)

    def test_header(self):
        self.fires("pragma-once", "src/net/a.h", "// A.\nint f();\n")
        self.fires("header-purpose", "src/net/a.h", "#pragma once\nint f();\n")
        self.spares("header-purpose", "src/net/a.h", "#pragma once\n// A.\nint f();\n")

    def test_suite_that_ctest_never_hears_of(self):
        self.fires("unregistered-suite", "tests/clients/openai_test.py", "")
        self.write("tests/clients/CMakeLists.txt", "")
        self.spares("unregistered-suite", "tests/clients/openai_test.py", "")

    def test_readme(self):
        self.write("src/net/CMakeLists.txt", "")
        self.assertIn(("readme", "src/net/README.md"), self.found())
        self.spares("readme", "src/net/README.md", "# net\n")
        self.fires("readme", "src/net/README.md", "# net\n" * 61)

    def test_unordered_iteration_in_a_pure_module(self):
        text = "std::unordered_map<int, int> seen;\nvoid f() { for (auto& [a, b] : seen) g(a); }\n"
        self.fires("unordered-iteration", "src/energy/a.cc", text)
        self.spares("unordered-iteration", "src/net/a.cc", text)
        self.write("src/core/b.h", "// B.\n#pragma once\nstruct B { std::unordered_set<int> all_; };\n")
        self.fires("unordered-iteration", "src/core/b.cc", "void f() { g(all_.begin()); }\n")


class Ratchet(unittest.TestCase):
    findings = [style.Finding("file-size", "src/a.cc", 1, 620, "620 lines"), style.Finding("rand", "src/b.cc", 3, 1, "rand")]

    def remaining(self, *debt):
        return style.apply_debt(self.findings, "\n".join(debt))

    def test_new_violations_fail(self):
        self.assertEqual(len(self.remaining()), 2)

    def test_known_violations_pass(self):
        self.assertEqual(self.remaining("# why", "file-size src/a.cc 620", "rand src/b.cc 1"), [])

    def test_known_violations_may_not_grow(self):
        self.assertIn("has grown to 620", " ".join(self.remaining("file-size src/a.cc 600", "rand src/b.cc 1")))

    def test_fixed_violations_must_leave_the_list(self):
        self.assertIn("is fixed", " ".join(self.remaining("file-size src/a.cc 620", "rand src/b.cc 1", "goto src/c.cc 1")))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
