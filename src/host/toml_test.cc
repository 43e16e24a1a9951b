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
  for (const auto* text :
       {"[", "[\n", "[[", "[ #", "[.a]", "[]", "[[]]", "[a.]", "[a..b]", "[=", "[\x01", "[[a]", "[\xCB\x81", "é = 1"}) {
    const auto fault = fault_of(text, [](TomlTable&) {});
    EXPECT_TRUE(fault.starts_with("f.toml:")) << text << ": " << fault;
  }
}

TEST(Toml, KeysThatNobodyAskedForAreFaults) {
  const auto read = [](TomlTable& root) {
    for (auto& each : root.tables("l")) (void)each.integer("k", 0, 9, 0);
  };
  EXPECT_EQ(fault_of("[[l]]\nk = 1\n[[l]]\nkk = 2\n", read), "f.toml:4: l.kk: there is no such key");
  EXPECT_EQ(fault_of("[q]\n", read), "f.toml:1: q: there is no such key");
  EXPECT_EQ(fault_of("[[l]]\nk = 10\nkk = 2\n", read), "f.toml:3: l.kk: there is no such key")
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

}  // namespace
}  // namespace millrace::host
