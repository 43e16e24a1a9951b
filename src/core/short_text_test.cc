#include "core/short_text.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace millrace {
namespace {

TEST(ShortText, holds_its_pieces_in_order_and_shows_each) {
  ShortText<32> text;
  const auto word = text.add("limit=");
  const auto number = text.add(std::int64_t{-42});
  EXPECT_EQ(word, "limit=");
  EXPECT_EQ(number, "-42");
  EXPECT_EQ(text.view(), "limit=-42");
  EXPECT_EQ(text.view(word.size()), "-42");
  text.clear();
  EXPECT_EQ(text.add(INT64_MIN), "-9223372036854775808");
  EXPECT_EQ(text.size(), 20U);
}

TEST(ShortText, cuts_off_what_has_no_room) {
  ShortText<4> text;
  EXPECT_EQ(text.add("abc"), "abc");
  EXPECT_EQ(text.add(std::int64_t{12}), "") << "part of a number would be another number";
  EXPECT_EQ(text.add("de"), "d");
  EXPECT_EQ(text.add("f"), "");
  EXPECT_EQ(text.view(), "abcd");
}

}  // namespace
}  // namespace millrace
