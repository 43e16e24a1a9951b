#include "host/json_tree.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>

#include "host/file.h"
#include "host/json.h"

namespace millrace::host {
namespace {

namespace json = boost::json;

JsonTree tree_of(std::string_view text, const JsonTree::Options& options = {}) {
  auto tree = JsonTree::parse(text, options);
  EXPECT_TRUE(tree) << (tree ? "" : tree.error().message);
  return *std::move(tree);
}

/// Written again; objects as they stand in the text.
void write(const JsonNode& node, JsonWriter& out) {
  switch (node.kind()) {
    case JsonNode::Kind::kArray:
      out.begin_array();
      for (JsonNode item = node.first(); item; item = item.next()) write(item, out);
      out.end_array();
      return;
    case JsonNode::Kind::kString:
      out.value(node.text());
      return;
    default:
      out.raw(node.source());
  }
}

TEST(JsonTree, AcceptsAndRefusesWhatParseJsonDoes) {
  const std::string folder = std::string(MILLRACE_TEST_DATA) + "/jsontestsuite/test_parsing";
  const auto names = list_dir(folder);
  ASSERT_TRUE(names) << names.error().message;
  ASSERT_EQ(names->size(), 318U);
  constexpr std::array<std::string_view, 1> kUnread = {"a"};
  for (const auto& name : *names) {
    const auto text = read_file(fmt::format("{}/{}", folder, name));
    ASSERT_TRUE(text);
    const auto strict = parse_json(*text, {.refuse_doubled_keys = false});
    const auto tree = JsonTree::parse(*text, {});
    EXPECT_EQ(tree.has_value(), strict.has_value()) << name;
    EXPECT_EQ(JsonTree::parse(*text, {.unread = kUnread}).has_value(), strict.has_value()) << name;
    if (!tree || !strict) {
      EXPECT_EQ(tree.error().message, strict.error().message) << name;
      continue;
    }
    JsonWriter out;
    write(tree->root(), out);
    const auto again = parse_json(out.text(), {.refuse_doubled_keys = false});
    ASSERT_TRUE(again) << name << ": " << out.text();
    EXPECT_EQ(*again, *strict) << name;
  }
}

TEST(JsonTree, FindsMembersAndWalksItems) {
  const JsonTree tree = tree_of(R"( {"a":{"b":[1,{"c":"x"},[]],"d":null},"e":"y\n\u00e9","f":true,"":{}} )");
  const JsonNode root = tree.root();
  EXPECT_EQ(root["e"].text(), "y\n\xC3\xA9");
  EXPECT_EQ(root["a"]["b"].size(), 3U);
  EXPECT_EQ(root["a"]["b"].source(), R"([1,{"c":"x"},[]])");
  JsonNode item = root["a"]["b"].first();
  EXPECT_EQ(item.count(), 1);
  item = item.next();
  EXPECT_EQ(item["c"].text(), "x");
  item = item.next();
  EXPECT_TRUE(item.is_array());
  EXPECT_FALSE(item.first());
  EXPECT_FALSE(item.next());  // not the member that follows the array
  EXPECT_TRUE(root["a"]["d"].is_nothing());
  EXPECT_TRUE(root["a"]["d"]);
  EXPECT_EQ(root["f"].kind(), JsonNode::Kind::kTrue);
  EXPECT_TRUE(root[""].is_object());
  EXPECT_EQ(root.size(), 4U);
}

TEST(JsonTree, WhatIsNotThereOrOfAnotherTypeIsNothing) {
  const JsonTree tree = tree_of(R"({"a":"b","n":[7]})");
  const JsonNode root = tree.root();
  EXPECT_FALSE(root["b"]["c"]["d"].first().next());
  EXPECT_FALSE(root["a"]["x"]);
  EXPECT_FALSE(root["a"].first());
  EXPECT_FALSE(root["n"]["0"]);
  EXPECT_EQ(root["n"].text(), "");
  EXPECT_NE(root["n"].text().data(), nullptr);
  EXPECT_EQ(root["a"].count(), std::nullopt);
  EXPECT_EQ(JsonNode().size(), 0U);
}

TEST(JsonTree, OfDoubledKeysTheLastCounts) {
  const JsonTree tree = tree_of(R"({"a":1,"\u0061":2,"ab":3})");
  EXPECT_EQ(tree.root()["a"].count(), 2);
}

TEST(JsonTree, CountsAreWholeAndBelowTwoToTheFiftyThird) {
  const auto count_of = [](std::string_view text) { return tree_of(text).root().count(); };
  EXPECT_EQ(count_of("0"), 0);
  EXPECT_EQ(count_of("9007199254740992"), std::int64_t{1} << 53);
  EXPECT_EQ(count_of("9007199254740993"), std::nullopt);
  EXPECT_EQ(count_of("99999999999999999999"), std::nullopt);
  EXPECT_EQ(count_of("12.0"), 12);
  EXPECT_EQ(count_of("1e3"), 1000);
  EXPECT_EQ(count_of("-1"), std::nullopt);
  EXPECT_EQ(count_of("1e300"), std::nullopt);
  EXPECT_EQ(count_of("\"1\""), std::nullopt);
}

TEST(JsonTree, KeepsUnreadMembersAsTheyStandAndFindsWhatFollows) {
  constexpr std::array<std::string_view, 2> kUnread = {"skip", "s\n"};
  const JsonTree tree = tree_of(
      R"({"skip":{"x":[1,{"skip":2}]},"a":1,"s\n":[[]],"b":{"skip":"t\"\n"},"c":2})", {.unread = kUnread});
  const JsonNode root = tree.root();
  EXPECT_EQ(root["skip"].source(), R"({"x":[1,{"skip":2}]})");
  EXPECT_FALSE(root["skip"]["x"]);
  EXPECT_FALSE(root["skip"].first());
  EXPECT_EQ(root["a"].count(), 1);
  EXPECT_EQ(root["s\n"].source(), "[[]]");
  EXPECT_EQ(root["b"]["skip"].text(), "t\"\n");
  EXPECT_EQ(root["c"].count(), 2);
  EXPECT_EQ(root.size(), 5U);
  EXPECT_FALSE(JsonTree::parse(R"({"skip":{"x":[1,}})", {.unread = kUnread}));
}

TEST(JsonTree, RefusesTooManyValuesAndTooDeepNesting) {
  EXPECT_TRUE(JsonTree::parse("[1,2,3]", {.max_values = 4}));
  const auto many = JsonTree::parse("[1,2,[3]]", {.max_values = 4});
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(JsonTree::parse("[[1]]", {.max_depth = 2}));
  EXPECT_FALSE(JsonTree::parse("[[[1]]]", {.max_depth = 2}));
}

TEST(JsonTree, ManyEscapedStringsStayWhereTheyAre) {
  rc::check([](const std::vector<std::string>& texts) {
    json::array array;
    for (const auto& text : texts) {
      std::string escaped;
      for (const char c : text) escaped += static_cast<char>('\n' + (static_cast<unsigned char>(c) & 1));
      array.emplace_back(escaped);
    }
    const std::string text = json::serialize(array);
    const JsonTree tree = tree_of(text);
    JsonNode item = tree.root().first();
    for (const auto& want : array) {
      RC_ASSERT(item.text() == std::string_view(want.get_string()));
      item = item.next();
    }
    RC_ASSERT(!item);
  });
}

}  // namespace
}  // namespace millrace::host
