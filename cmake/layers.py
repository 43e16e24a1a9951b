#!/usr/bin/env python3
"""Checks the layers of src/ against the table that the configure wrote from cmake/Layers.cmake.

usage: layers.py (includes|links|pure) SOURCE_ROOT BUILD_FOLDER [NM]

includes  every #include stays in its module's row, and in its folder's where folders are layers; backends are private;
          restricted third-party headers; no file declares another module's symbols by hand
links     every symbol a module takes is defined by itself, by a module it declared, or by a third party it may use
pure      the object files of PURE modules take no clock, randomness, I/O, thread, or libm function
"""
import pathlib
import re
import subprocess
import sys

SOURCES = {".h", ".cc"}
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
OPENS_NAMESPACE = re.compile(r"^\s*(?:inline\s+)?namespace\s+millrace::(\w+)[\w:]*\s*(\{|$)")
EXTERN = re.compile(r'^\s*extern\s+(?!template\b|"C"\s+int\s+LLVMFuzzer)')
TEST_DOUBLES = {"memory", "fake", "faulty"}
IMPURE_HEADERS = re.compile(
    r"thread|future|fstream|iostream|filesystem|ctime|time\.h|unistd\.h|fcntl\.h|pthread\.h|sys/.*|mutex|condition_variable")
IMPURE_SYMBOLS = re.compile(
    r"""std::chrono::_V2::\w+::now\(\) | std::random_device:: .* | std::(thread|jthread|mutex|condition_variable)\b.*
    | std::this_thread:: .* | std::(__cxx11::)?basic_(i|o)?(fstream|filebuf)\b.* | std::(w?c(out|err|in|log))
    | std::filesystem:: .* | fmt::\w+::v?print\b.* | (f|v|vf|d)?printf | f?puts | putchar | f?write | f?read | f?open(64|at)?
    | fclose | close | p(read|write)(64)? | (un)?link | rename | socket | connect | bind | listen | accept4? | send(to|msg)?
    | recv(from|msg)? | poll | select | epoll_\w+ | ioctl | mmap(64)? | syscall | fork | exec\w+ | system | kill | raise
    | (secure_)?getenv | setenv | s?rand(om)?(_r)? | [dlm]rand48 | getrandom | getentropy | arc4random\w* | time | clock
    | clock_\w+ | gettimeofday | (local|gm)time(_r)? | mktime | (u|nano)?sleep | pthread_\w+ | sem_\w+ | getpid | gettid
    | (exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|sincos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|cbrt|hypot|erf|erfc
       |tgamma|lgamma)[fl]?""",
    re.VERBOSE)
# A value type of a module further down is copied, moved and destroyed by inline code in between; that is not a call.
SPECIAL_MEMBER = re.compile(r"^(vtable|typeinfo|typeinfo name|VTT) for |::~\w+\(|::(\w+)::\2\(|::operator=\(")


class Table:
    def __init__(self, build):
        self.pure, self.edges, self.depends, self.archive, self.backends = set(), {}, {}, {}, {}
        self.folders, self.headers, self.symbols = {}, [], []
        for line in (build / "layers.txt").read_text().splitlines():
            left, _, right = line.partition(" =")
            kind, _, key = left.partition(" ")
            words = right.split()
            if kind == "pure":
                self.pure = set(words)
            elif kind == "RESTRICTED_HEADERS":
                self.headers.append((re.compile(key), words))
            elif kind == "RESTRICTED_SYMBOLS":
                self.symbols.append((key, words))
            elif kind == "ARCHIVE":
                self.archive[key] = pathlib.Path(right.strip())
            elif kind == "FOLDERS":
                self.folders[key] = words
            else:
                {"EDGES": self.edges, "DEPENDS": self.depends, "BACKENDS": self.backends}[kind][key] = set(words)

    def closure(self, module):
        """Everything below a module: its tests are linked with all of it."""
        found, todo = set(), [module]
        while todo:
            for below in self.edges[todo.pop()]:
                if below not in found:
                    found.add(below)
                    todo.append(below)
        return found


class Place:
    """Where a file stands: its module, its backend folder (or None), whether it is a test."""

    def __init__(self, table, relative):
        self.module = relative.parts[0]
        folder = relative.parts[1] if len(relative.parts) > 2 else None
        self.backend = folder if folder in table.backends.get(self.module, ()) else None
        self.folder = folder
        self.test = relative.name.endswith(("_test.cc", "_fuzz.cc")) or "_test_" in relative.name


def module_include_fault(table, place, header):
    """Why the file at place may not include header ("store/sqlite/wal.h"), or None."""
    parts = header.split("/")
    target = parts[0]
    if target == "embed":
        return None
    if len(parts) < 2 or target not in table.edges:
        return "is not a header of a module: write \"module/name.h\", or <name> for a third party"
    inner = parts[1] if len(parts) > 2 else None
    if target == place.module:
        if inner in table.backends.get(target, ()) and inner != place.backend and not place.test:
            return f"is private to the backend {target}/{inner}: use the port in {target}/, apps chooses the backend"
        order = table.folders.get(target, [])
        if not place.test and inner in order and place.folder in order and order.index(inner) > order.index(place.folder):
            return f"is in a folder above {target}/{place.folder} (cmake/Layers.cmake: {' '.join(order)})"
        return None
    if place.module == "apps":
        return None
    allowed = table.closure(place.module) if place.test else table.edges[place.module]
    if target not in allowed:
        return f"is outside the row of {place.module} in cmake/Layers.cmake ({' '.join(sorted(allowed))})"
    if inner and not (place.test and inner in TEST_DOUBLES):
        return f"is private to {target}: only its top folder is public"
    return None


def third_party_fault(table, place, header):
    if place.module in table.pure and not place.test and IMPURE_HEADERS.fullmatch(header):
        return f"is not for a PURE module: take the value as a parameter ({place.module} is PURE)"
    for pattern, allowed in table.headers:
        if pattern.fullmatch(header):
            here = {place.module, f"{place.module}/{place.folder}"}
            if not here & set(allowed):
                return f"is restricted to: {' '.join(allowed) or 'nobody'} (cmake/Layers.cmake)"
            return None
    return None


def by_hand_fault(table, place, suffix, line):
    """A declaration of something that has a header elsewhere."""
    if place.test:
        return None
    if suffix == ".cc" and EXTERN.match(line):
        return "extern declaration by hand: include the header that declares it"
    opened = OPENS_NAMESPACE.match(line)
    if opened and opened[1] in table.edges and opened[1] != place.module:
        if suffix == ".cc" or opened[1] not in table.edges[place.module]:
            return f"opens namespace millrace::{opened[1]} in module {place.module}: include its header instead"
    return None


def without_comments(text):
    """The text with comments and raw strings blanked, lines kept."""
    blank = lambda match: re.sub(r"[^\n]", " ", match[0])
    text = re.sub(r'R"(\w*)\((?:.|\n)*?\)\1"', blank, text)
    return re.sub(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*(?:.|\n)*?\*/',
                  lambda match: match[0] if match[0].startswith('"') else blank(match), text)


def check_includes(table, root):
    faults = []
    for path in sorted((root / "src").rglob("*")):
        if path.suffix not in SOURCES:
            continue
        relative = path.relative_to(root / "src")
        place = Place(table, relative)
        for number, line in enumerate(without_comments(path.read_text()).splitlines(), 1):
            include = INCLUDE.match(line)
            if include and include[1] == '"':
                fault = module_include_fault(table, place, include[2])
                fault = fault or third_party_fault(table, place, include[2])
            elif include:
                fault = third_party_fault(table, place, include[2])
                if include[2].split("/")[0] in table.edges and "/" in include[2]:
                    fault = "is a header of ours: write it in quotes"
            else:
                fault = by_hand_fault(table, place, path.suffix, line)
            if fault:
                faults.append(f"src/{relative}:{number}: {include[2] + ' ' if include else ''}{fault}")
    return faults


def symbols(nm, archive):
    """(taken, defined): the demangled global symbols of an archive."""
    taken, defined = set(), set()
    listing = subprocess.run([nm, "-C", "-g", archive], check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines():
        match = re.match(r"^[0-9a-f ]{16} (\w) (.*)$", line)
        if match:
            (taken if match[1] in "Uwv" else defined).add(match[2])
    return taken - defined, defined


def read_archives(table, nm):
    missing = [str(path) for path in table.archive.values() if not path.exists()]
    if missing:
        sys.exit(f"not built yet: {' '.join(missing)}. Build everything first: cmake --build build/dev")
    return {module: symbols(nm, path) for module, path in table.archive.items()}


def check_links(table, nm):
    archives = read_archives(table, nm)
    providers = {}
    for module, (_, defined) in archives.items():
        for name in defined:
            providers.setdefault(name, set()).add(module)
    faults = []
    for module, (taken, _) in archives.items():
        for name in sorted(taken):
            found = providers.get(name, set())
            if found and not found & table.depends[module] and not SPECIAL_MEMBER.search(name):
                faults.append(f"{module} takes {name} from {' '.join(sorted(found))}, "
                              f"but declares only: {' '.join(sorted(table.depends[module]))}")
            if not found and re.match(r"(?:\w+ for )?millrace::", name):
                faults.append(f"{module} takes {name}, which no module defines: remove the declaration or define it")
            for prefix, allowed in table.symbols:
                if name.startswith(prefix) and module not in allowed:
                    faults.append(f"{module} takes {name}; symbols {prefix}* are for: {' '.join(allowed)}")
    return faults


def check_pure(table, nm):
    return [f"{module} is PURE but takes {name}: pass the value in, or move the code to a module with I/O"
            for module, (taken, _) in read_archives(table, nm).items() if module in table.pure
            for name in sorted(taken) if IMPURE_SYMBOLS.fullmatch(name.split("@")[0])]


def main(what, root, build, nm="llvm-nm-19"):
    table = Table(pathlib.Path(build))
    if what == "includes":
        faults = check_includes(table, pathlib.Path(root))
    else:
        faults = {"links": check_links, "pure": check_pure}[what](table, nm)
    print("\n".join(faults) or f"layers {what}: no fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
