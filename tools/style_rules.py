"""The tables of tools/style.py: what is banned, where, what to use instead, and an example that the test of the
rules holds each against (bad must be found, good must not)."""
import dataclasses
import re

FILE_LINES = 500
FUNCTION_LINES = 60
README_LINES = 60


@dataclasses.dataclass(frozen=True)
class Rule:
    name: str
    pattern: str
    message: str
    bad: str
    good: str
    only: str = r"^(src|bench|tests)/"  # the paths it holds for
    unless: str = r"^$"                 # and those among them that it spares
    tests: str = "too"                  # "too", "only" or "spared"
    excuse: str = ""                    # a line that matches this is fine

    def applies(self, name, is_test):
        if (self.tests == "only" and not is_test) or (self.tests == "spared" and is_test):
            return False
        return bool(re.search(self.only, name)) and not re.search(self.unless, name)


# Held against C++ with comments and literals blanked.
RULES = [
    Rule("iostream", r"\bstd::(cout|cerr|clog|cin)\b", "use the logger, or write to a descriptor you were given",
         bad="std::cout << 1;", good="log->info(text);"),
    Rule("printf", r"\b(v|f|vf|d|s|sn|vsn)?printf\s*\(|\bfmt::print\s*\(|\bf?puts\s*\(",
         "use fmt::format, and the logger for output", bad='snprintf(text, 5, f, 1);', good="fmt::format(f, 1);",
         only=r"^src/", unless=r"^src/(cli|apps)/", tests="spared"),
    Rule("system", r"(?<![\w:.>])system\s*\(|\bstd::system\s*\(|\bpopen\s*\(", "start the program with an argument vector, no shell",
         bad="std::system(command);", good="spawn(arguments);"),
    Rule("c-string", r"\b(strcpy|strcat|strncpy|strncat|gets|strtok|atoi|atol|atof)\s*\(",
         "use std::string_view, std::from_chars", bad="strcpy(a, b);", good="a = b;"),
    Rule("rand", r"(?<![\w.>])s?rand\s*\(|\bstd::rand\b|\brandom_device\b", "take a core/rng.h Rng as a parameter",
         bad="int x = rand();", good="int x = rng.next();", unless=r"^src/host/"),
    Rule("volatile", r"\bvolatile\b", "use std::atomic or a mutex", bad="volatile bool stop;",
         good="std::atomic<bool> stop;"),
    Rule("using-namespace", r"\busing\s+namespace\s+(?!std::[\w:]*literals)", "name what you use: using x::y;",
         bad="using namespace std;", good="using namespace std::chrono_literals;"),
    Rule("sleep", r"\bsleep_(for|until)\b|(?<![\w.>])(u|nano)?sleep\s*\(",
         "wait for the event with a deadline, or move a ManualClock", bad="std::this_thread::sleep_for(1s);",
         good="future.wait_for(1s);", tests="only"),
    Rule("naked-new", r"(?<!operator )\bnew\s+[A-Za-z_:]|(?<!operator )(?<!= )\bdelete\b(?!\s*;)",
         "use std::make_unique or a container", bad="auto* x = new Thing;", good="Thing(const Thing&) = delete;",
         excuse=r"_ptr(<[^;]*>)?\s*\w*\(new |= delete"),
    Rule("regex", r"\bstd::(basic_|w)?s?regex\w*", "write the parser: std::regex recurses over its input",
         bad="std::regex r(text);", good="parse(text);"),
    Rule("detach", r"\.detach\s*\(\s*\)", "keep the std::jthread; its owner joins it", bad="thread.detach();",
         good="thread.join();"),
    Rule("getenv", r"\b(secure_)?getenv\s*\(", "take the value as configuration; only host, cli and apps read the environment",
         bad='std::getenv(name);', good="options.home;", unless=r"^src/(host|cli|apps)/", tests="spared"),
    Rule("throw", r"\bthrow\b", "return failure(code, message)", bad="throw 1;", good="return failure(code, text);",
         only=r"^src/", tests="spared"),
    Rule("goto", r"\bgoto\s+\w+;", "use a function with early returns", bad="goto done;", good="return;"),
    Rule("dead-code", r"^\s*#\s*if\s+0\b", "remove it; git remembers", bad="#if 0", good="#if defined(__linux__)"),
]

# Held against the text as it is, comments included.
TEXT_RULES = [
    Rule("todo", r"\b(?:TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b(?:\((?P<topic>[\w-]+)\))?",
         "do it, or write TO" + "DO(topic) with an entry for the topic in docs/status.md", bad="// TO" + "DO: later",
         good="// to do", only=r"\.(h|cc|py|js|mjs|sh|cmake)$"),
    Rule("nolint", r"NOLINT(?!(NEXTLINE|BEGIN|END)?\([\w,.-]+\): )", "name the check and the reason: NOLINT" + "(check): why",
         bad="// NOLINT" + "\n", good="// NOLINT" + "(bugprone-x): the handle outlives it", only=r"\.(h|cc)$"),
    Rule("registry-host", r"(deb|security|snapshot)\.debian\.org|pypi\.org/simple|pythonhosted\.org|registry\.npmjs\.org"
         r"|proxy\.golang\.org", "let the package tool use the index it is configured with",
         bad="https://deb" + ".debian.org/debian", good="apt-get install", only=r""),
    Rule("machine-path", r"(?<![\w.}])/[w]ork/|/tmp/[b]rief|\.\./[s]hared\b|(?<![\w.}])/[r]oot/(?!\*)",
         "name no path of one machine: take it from a setting", bad="/wo" + "rk/main", good="/usr/bin/bwrap", only=r""),
    Rule("external-resource", r"(?:src|href)=[\"']https?://|\b(?:import|from)\s+[\"']https?://|url\(\s*[\"']?https?://",
         "vendor it: the console loads nothing from outside", bad='<script src="https://x.example/a.js">',
         good='<script src="a.js">', only=r"^console/.*\.(js|mjs|html|css)$"),
    Rule("shell", r"\bshell\s*=\s*True\b", "pass a list of arguments", bad="run(x, shell=" + "True)", good="run([x])",
         only=r"\.py$"),
]
