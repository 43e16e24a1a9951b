#include "core/id.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Id, SortsByTimeAndReplaysFromASeed) {
  SeededRng one(7);
  SeededRng two(7);
  const TimePoint early{std::chrono::milliseconds{1'700'000'000'000}};
  const auto first = make_id("req", early, one);
  EXPECT_EQ(first, make_id("req", early, two));
  EXPECT_EQ(first.size(), 30U);
  EXPECT_LT(first, make_id("req", early + std::chrono::milliseconds{1}, one));
}

TEST(Name, AcceptsOnlyWhatIsSafeEverywhere) {
  for (const char* good : {"a", "chat-1", "smollm2", "qwen2.5-7b"}) EXPECT_TRUE(is_name(good)) << good;
  for (const char* bad : {"", "-a", "a-", "A", "a_b", "a/b", "a b", "..", ".", "\xC3\xA9"}) {
    EXPECT_FALSE(is_name(bad)) << bad;
  }
  EXPECT_FALSE(is_name(std::string(64, 'a')));
}

}  // namespace
}  // namespace millrace
