#include "host/toml.h"

#include <gtest/gtest.h>

namespace millrace::host {
namespace {

/// The fault that `read` leaves in a document of `text`.
template <typename Read>
std::string fault_of(std::string_view text, Read read) {
  const auto document = TomlDocument::parse(text, "f.toml");
  if (!document) return document.error().message;
  auto root = (*document)->root();
  read(root);
  const auto result = (*document)->finish();
  return result ? "" : result.error().message;
}

TEST(Toml, ReadsEveryTypeAndKeepsFallbacks) {
  EXPECT_EQ(fault_of("t = 'x'\ni = 3\nn = 1\nb = true\nd = 2026-01-31\nm = '2026-01-31T12:00:00Z'\no = "
                     "2026-01-31T12:00:00+01:00\n"
                     "a = ['p', 'q']\nr = [1, 2.5]\n[s]\nk = 1\n[[l]]\nk = 1\n[[l]]\nk = 2\n",
                     [](TomlTable& root) {
                       EXPECT_EQ(root.text("t"), "x");
                       EXPECT_EQ(root.integer("i", 0, 9), 3);
                       EXPECT_EQ(root.number("n", 0, 9), 1.0);
                       EXPECT_TRUE(root.truth("b", false));
                       EXPECT_EQ(root.maybe_time("d"), *parse_rfc3339("2026-01-31"));
                       EXPECT_EQ(root.maybe_time("m"), *parse_rfc3339("2026-01-31T12:00:00Z"));
                       EXPECT_EQ(root.maybe_time("o"), *parse_rfc3339("2026-01-31T11:00:00Z"));
                       EXPECT_EQ(root.texts("a"), (std::vector<std::string>{"p", "q"}));
                       EXPECT_EQ(root.numbers("r", 0, 9), (std::vector<double>{1, 2.5}));
                       EXPECT_EQ(root.table("s").integer("k", 0, 9), 1);
                       auto list = root.tables("l");
                       ASSERT_EQ(list.size(), 2u);
                       EXPECT_EQ(list[0].integer("k", 0, 9), 1);
                       EXPECT_EQ(list[1].integer("k", 0, 9), 2);
                       EXPECT_EQ(root.text("absent", "f"), "f");
                       EXPECT_EQ(root.table("nowhere").number("k", 0, 1, 0.5), 0.5);
                       EXPECT_FALSE(root.maybe_time("absent"));
                     }),
            "");
}

TEST(Toml, FaultsNameFileLineAndKey) {
  const auto integer = [](TomlTable& root) { (void)root.table("s").integer("k", 0, 9); };
  EXPECT_EQ(fault_of("\n[s]\nk = 10\n", integer), "f.toml:3: s.k: 10 is not in 0 to 9");
  EXPECT_EQ(fault_of("\n[s]\nk = 'x'\n", integer), "f.toml:3: s.k: want an integer");
  EXPECT_EQ(fault_of("\n[s]\n", integer), "f.toml:2: s.k: is missing: want an integer in 0 to 9");
  EXPECT_EQ(fault_of("", integer), "f.toml:1: s.k: is missing: want an integer in 0 to 9");
  EXPECT_EQ(fault_of("s = 1\n", integer).substr(0, 26), "f.toml:1: s: want a table:");
  EXPECT_EQ(fault_of("[s\n", integer).substr(0, 9), "f.toml:1:");
  EXPECT_EQ(fault_of("k = nan\n", [](TomlTable& root) { (void)root.number("k", 0, 9); }),
            "f.toml:1: k: nan is not in 0 to 9");
  EXPECT_EQ(fault_of("k = ['x', 1]\n", [](TomlTable& root) { (void)root.texts("k"); }),
            "f.toml:1: k: want an array of strings");
  EXPECT_EQ(fault_of("k = [1, 12]\n", [](TomlTable& root) { (void)root.numbers("k", 0, 9); }),
            "f.toml:1: k: want numbers in 0 to 9");
  EXPECT_EQ(fault_of("k = 12:00:00\n", [](TomlTable& root) { (void)root.maybe_time("k"); }).substr(0, 23),
            "f.toml:1: k: want a dat");
}

TEST(Toml, HeadersWithoutAKeyAreFaults) {
  for (const auto* text : {"[", "[\n", "[[", "[ #", "[.a]", "[]", "[[]]", "[a.]", "[a..b]", "[=", "[\x01",
                           "[[a]", "[\xCB\x81", "é = 1"}) {
    const auto fault = fault_of(text, [](TomlTable&) {});
    EXPECT_TRUE(fault.starts_with("f.toml:")) << text << ": " << fault;
  }
}

TEST(Toml, KeysThatNobodyAskedForAreFaults) {
  const auto read = [](TomlTable& root) {
    for (auto& each : root.tables("l")) (void)each.integer("k", 0, 9, 0);
  };
  EXPECT_EQ(fault_of("[[l]]\nk = 1\n[[l]]\nkk = 2\n", read),
            "f.toml:4: l.kk: there is no such key; did you mean 'k'?");
  EXPECT_EQ(fault_of("[q]\n", read), "f.toml:1: q: there is no such key");
  EXPECT_EQ(fault_of("[[l]]\nk = 10\nkk = 2\n", read),
            "f.toml:3: l.kk: there is no such key; did you mean 'k'?")
      << "the cause, not what follows";
  EXPECT_EQ(fault_of("k = 10\n[[l]]\nkk = 2\n",
                     [](TomlTable& root) {
                       (void)root.integer("k", 0, 9);
                       (void)root.tables("l");
                     }),
            "f.toml:1: k: 10 is not in 0 to 9")
      << "a reader that gave up asks for nothing more";
}

TEST(Toml, TheFirstFaultIsKeptAndKeysAskedForAreKnown) {
  const auto document = TomlDocument::parse("a = 1\nb = 2\n", "f.toml");
  ASSERT_TRUE(document);
  auto root = (*document)->root();
  root.fail("b", "first");
  root.fail("a", "second");
  (void)root.table("s").text("k", "");
  EXPECT_EQ((*document)->finish().error().message, "f.toml:2: b: first");
  EXPECT_TRUE((*document)->asked().contains("s.k"));
}

TEST(Toml, ScalarsKeepTheTypeTheyWereWrittenIn) {
  EXPECT_EQ(fault_of("t = 'x'\ni = 3\nr = 0.5\n",
                     [](TomlTable& root) {
                       EXPECT_EQ(root.maybe_scalar("t", "a size"), TomlScalar("x"));
                       EXPECT_EQ(root.maybe_scalar("i", "a size"), TomlScalar(std::int64_t{3}));
                       EXPECT_EQ(root.maybe_scalar("r", "a size"), TomlScalar(0.5));
                       EXPECT_FALSE(root.maybe_scalar("absent", "a size"));
                       EXPECT_EQ(root.keys(), (std::vector<std::string>{"t", "i", "r"}));
                     }),
            "");
  EXPECT_EQ(fault_of("k = true", [](TomlTable& root) { (void)root.maybe_scalar("k", "a size"); }),
            "f.toml:1: k: want a size");
}

/// As fault_of, of JSON.
template <typename Read>
std::string json_fault_of(std::string_view text, Read read) {
  const auto document = TomlDocument::parse_json(text, "f.json");
  if (!document) return document.error().message;
  auto root = (*document)->root();
  read(root);
  const auto result = (*document)->finish();
  return result ? "" : result.error().message;
}

TEST(Toml, TheSameAsJsonIsReadAlike) {
  EXPECT_EQ(
      json_fault_of(R"({"t": "x\n", "i": 3, "n": 2.5, "b": true, "m": "2026-01-31T12:00:00Z", "a": ["p", "q"],
                              "r": [1, 2.5], "s": {"k": 1}, "l": [{"k": 1}, {"k": 2}], "big": 9007199254740993})",
                    [](TomlTable& root) {
                      EXPECT_EQ(root.text("t"), "x\n");
                      EXPECT_EQ(root.integer("i", 0, 9), 3);
                      EXPECT_EQ(root.number("n", 0, 9), 2.5);
                      EXPECT_TRUE(root.truth("b", false));
                      EXPECT_EQ(root.maybe_time("m"), *parse_rfc3339("2026-01-31T12:00:00Z"));
                      EXPECT_EQ(root.texts("a"), (std::vector<std::string>{"p", "q"}));
                      EXPECT_EQ(root.numbers("r", 0, 9), (std::vector<double>{1, 2.5}));
                      EXPECT_EQ(root.table("s").integer("k", 0, 9), 1);
                      EXPECT_EQ(root.tables("l").size(), 2u);
                      EXPECT_EQ(root.tables("l").back().integer("k", 0, 9), 2);
                      (void)root.tables("l").front().integer("k", 0, 9);
                      EXPECT_EQ(root.integer("big", 0, INT64_MAX), 9007199254740993);
                    }),
      "");
}

TEST(Toml, FaultsOfJsonNameTheLineToo) {
  const auto integer = [](TomlTable& root) { (void)root.table("s").integer("k", 0, 9); };
  EXPECT_EQ(json_fault_of("{\n\"s\": {\n  \"k\": 10\n}}", integer), "f.json:3: s.k: 10 is not in 0 to 9");
  EXPECT_EQ(json_fault_of("{\"s\": {\"k\": null}}", integer), "f.json:1: s.k: want an integer");
  EXPECT_EQ(json_fault_of("{\"s\":\n{\"\\u006b\":\n10}}", integer), "f.json:3: s.k: 10 is not in 0 to 9")
      << "a key with an escape stands no longer in the text: the line of its value";
  EXPECT_EQ(json_fault_of("{\"s\": {\"k\": 1},\n\n\"x\": [\n1]}", integer),
            "f.json:3: x: there is no such key");
  EXPECT_EQ(json_fault_of("{\"s\": {},\n\"s\": {}}", integer), "f.json:2: s: stands twice");
  EXPECT_TRUE(json_fault_of("{\n\n\"s\" 1}", integer).starts_with("f.json:3: JSON: "));
  EXPECT_TRUE(json_fault_of("[]", integer).starts_with("f.json:1: want a JSON object"));
  EXPECT_TRUE(json_fault_of("", integer).starts_with("f.json:1: "));
}

}  // namespace
}  // namespace millrace::host
