#!/usr/bin/env python3
"""The style rules that a machine can check. Each finding names the replacement.

usage: style.py [ROOT]      known violations: tools/style_debt.txt (a ratchet)
"""
import ast
import collections
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from style_rules import FILE_LINES, FUNCTION_LINES, README_LINES, RULES, TEXT_RULES  # noqa: E402

Finding = collections.namedtuple("Finding", "rule path line size message")

NOT_OURS = re.compile(r"(^|/)(vendor|data|corpus|node_modules|build)/|^LICENSE$|\.(lock|png|ico|gguf|svg|woff2|inc)$")
CODE = {".h", ".cc"}
TEXT = {".h", ".cc", ".py", ".sh", ".js", ".mjs", ".ts", ".css", ".html", ".cmake", ".txt", ".md", ".json", ".toml", ".yml"}


def files(root):
    """The files of the project: tracked, or new and not ignored."""
    if (root / ".git").exists():
        listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"], check=True,
                                capture_output=True, text=True).stdout.splitlines()
        found = {root / name for name in listed}
    else:
        found = set(root.rglob("*"))
    return sorted(p for p in found if p.is_file() and not NOT_OURS.search(str(p.relative_to(root))))


def blank(match):
    return re.sub(r"[^\n]", " ", match[0])


def code_only(text):
    """C++ with comments, string and character literals blanked; lines and columns kept."""
    token = re.compile(r'R"(\w*)\((?:.|\n)*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*(?:.|\n)*?\*/')
    # 1'000'000 is a number, not a character.
    text = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "_", text)
    return token.sub(blank, text)


def cpp_functions(code):
    """(name, first line, lines) of each function body, by matching braces outside of functions."""
    code = re.sub(r"^[ \t]*#(?:.*\\\n)*.*", blank, code, flags=re.MULTILINE)
    found, stack, start = [], [], 0  # stack: (is_function, name, line) of each open brace; start: of the current header
    for match in re.finditer(r"[{};]", code):
        at, mark = match.start(), match[0]
        header = code[start:at].strip()
        inside = any(entry[0] for entry in stack)
        if mark == "}":
            if stack:
                is_function, name, line = stack.pop()
                if is_function:
                    found.append((name, line, code.count("\n", 0, at) + 2 - line))
                if name == "initializer":
                    continue  # the header of the constructor goes on
        elif mark == "{":
            if not inside and re.search(r"\)[^;]*:\s[^;]*[\w>]$", header) and not re.search(r"(const|override|noexcept)$", header):
                stack.append((False, "initializer", 0))
                continue
            is_function = (not inside and "(" in header and not header.endswith("=")
                           and not re.match(r"(template\s*<[^{]*>\s*)?(namespace|class|struct|enum|union)\b", header))
            first = start + len(code[start:at]) - len(code[start:at].lstrip())
            name = re.search(r"([\w:~]+|operator\W+)\s*\(", header)
            stack.append((is_function, name[1] if name else "?", code.count("\n", 0, first) + 1))
        start = match.end()
    return found


def python_functions(text):
    tree = ast.parse(text)
    return [(node.name, node.lineno, node.end_lineno - node.lineno + 1) for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def size_findings(name, suffix, text, code):
    lines = text.count("\n")
    if lines > FILE_LINES and suffix != ".json":  # data, in the order of its readers
        yield Finding("file-size", name, 1, lines, f"{lines} lines, the limit is {FILE_LINES}: split it by concept")
    functions = cpp_functions(code) if suffix in CODE else python_functions(text) if suffix == ".py" else []
    for function, line, size in functions:
        if size > FUNCTION_LINES:
            yield Finding("function-size", name, line, size,
                          f"{function} has {size} lines, the limit is {FUNCTION_LINES}: name its steps as functions")


def is_test(name):
    return name.startswith("tests/") or name.endswith(("_test.cc", "_fuzz.cc")) or "_test_" in name


def rule_findings(name, text, code, status):
    suffix = pathlib.PurePath(name).suffix
    if suffix in CODE:
        for rule in RULES:
            if rule.applies(name, is_test(name)):
                for match in re.finditer(rule.pattern, code, re.MULTILINE):
                    line = code.count("\n", 0, match.start()) + 1
                    if not rule.excuse or not re.search(rule.excuse, code.splitlines()[line - 1]):
                        yield Finding(rule.name, name, line, 1, rule.message)
    for rule in TEXT_RULES:
        if rule.applies(name, is_test(name)):
            for match in re.finditer(rule.pattern, text, re.MULTILINE):
                if rule.name == "todo" and match["topic"] and match["topic"] in status:
                    continue
                yield Finding(rule.name, name, text.count("\n", 0, match.start()) + 1, 1, rule.message)


def header_findings(name, text):
    if not re.search(r"^#pragma once$", text, re.MULTILINE):
        yield Finding("pragma-once", name, 1, 1, "write #pragma once")
    if not re.match(r"(#pragma once\n\s*)?//", text):
        yield Finding("header-purpose", name, 1, 1, "start with one line that says what the header is for")


def unordered_findings(name, code, header_code):
    """Iteration over unordered containers, whose order differs between runs and libraries (invariant I9)."""
    declared = re.findall(r"unordered_\w+\s*<[^;{}()]*>\s+(\w+)\s*[;{=]", code + header_code)
    for variable in set(declared):
        for match in re.finditer(rf"for\s*\([^;)]*:\s*{variable}\s*\)|\b{variable}\.c?begin\(", code):
            yield Finding("unordered-iteration", name, code.count("\n", 0, match.start()) + 1, 1,
                          f"iterates over {variable}: use std::map, or sort first (PURE modules decide the same everywhere)")


def module_findings(root):
    for module in sorted(p.parent for p in (root / "src").glob("*/CMakeLists.txt")):
        readme = module / "README.md"
        name = str(readme.relative_to(root))
        if not readme.is_file():
            yield Finding("readme", name, 1, 1, "missing: what the module is for, its entry point, what it must never know")
        elif readme.read_text().count("\n") > README_LINES:
            yield Finding("readme", name, 1, 1, f"longer than {README_LINES} lines: the rest belongs into docs/")


def suite_findings(root):
    """A folder of tests/ with tests in it that ctest never hears of."""
    for path in sorted((root / "tests").rglob("*")):
        suite = root / "tests" / path.relative_to(root / "tests").parts[0]
        if re.search(r"(_test\.\w+|^test_\w+\.py)$", path.name) and not (suite / "CMakeLists.txt").is_file():
            yield Finding("unregistered-suite", str(path.relative_to(root)), 1, 1,
                          f"never run: tests/{suite.name} needs a CMakeLists.txt with add_test")


def pure_modules(root):
    table = root / "cmake/Layers.cmake"
    match = re.search(r"set\(MILLRACE_PURE ([^)]*)\)", table.read_text()) if table.is_file() else None
    return set(match[1].split()) if match else set()


def check(root):
    """Every finding in the project, debt not yet taken off."""
    status_file = root / "docs/status.md"
    status = status_file.read_text() if status_file.is_file() else ""
    pure = pure_modules(root)
    findings = [*module_findings(root), *suite_findings(root)]
    for path in files(root):
        name = str(path.relative_to(root))
        if path.suffix not in TEXT and path.name not in {"Makefile", "run"}:
            continue
        text = path.read_text(errors="replace")
        code = code_only(text) if path.suffix in CODE else ""
        findings += size_findings(name, path.suffix, text, code)
        findings += rule_findings(name, text, code, status)
        if path.suffix == ".h":
            findings += header_findings(name, text)
        parts = name.split("/")
        if parts[0] == "src" and parts[1] in pure and path.suffix in CODE and not is_test(name):
            header = path.with_suffix(".h")
            header_code = code_only(header.read_text()) if path.suffix == ".cc" and header.is_file() else ""
            findings += unordered_findings(name, code, header_code)
    return findings


def apply_debt(findings, debt_text):
    """What remains once the known violations are taken off, and what is wrong with the list itself."""
    worst = collections.Counter()
    for finding in findings:
        key = (finding.rule, finding.path)
        worst[key] = max(worst[key], finding.size) if finding.rule.endswith("-size") else worst[key] + 1
    excused, faults = set(), []
    for line in debt_text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        rule, path, limit = line.split()
        if not worst[(rule, path)]:
            faults.append(f"tools/style_debt.txt: \"{line}\" is fixed: take the line out")
        elif worst[(rule, path)] > int(limit):
            faults.append(f"tools/style_debt.txt: \"{line}\" has grown to {worst[(rule, path)]}: debt may only shrink")
        else:
            excused.add((rule, path))
    return [f"{f.path}:{f.line}: [{f.rule}] {f.message}" for f in findings if (f.rule, f.path) not in excused] + faults


def main(root="."):
    root = pathlib.Path(root).resolve()
    debt = root / "tools/style_debt.txt"
    remaining = apply_debt(check(root), debt.read_text() if debt.is_file() else "")
    print("\n".join(remaining) or "style: no fault")
    return 1 if remaining else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
