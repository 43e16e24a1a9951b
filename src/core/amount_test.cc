#include "core/amount.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace millrace {
namespace {

using std::chrono::seconds;

TEST(Size, IsReadInDecimalAndBinaryUnits) {
  EXPECT_EQ(parse_size("0"), 0);
  EXPECT_EQ(parse_size("1000"), 1000);
  EXPECT_EQ(parse_size("64kB"), 64'000);
  EXPECT_EQ(parse_size("512MiB"), 512LL << 20);
  EXPECT_EQ(parse_size("2GiB"), 2LL << 30);
  EXPECT_EQ(parse_size("1.5GiB"), 3LL << 29);
  EXPECT_EQ(parse_size("2GB"), 2'000'000'000);
  EXPECT_EQ(parse_size("8192TiB"), 1LL << 53);
}

TEST(Size, RefusesWhatIsNotOne) {
  for (const char* text : {"", "GiB", "-1", "1 GiB", "2gib", "2G", "1e3", ".5GiB", "1.GiB", "1.1234567GiB",
                           "8193TiB", "99999999999999999999", "1.5.5GiB", "0x10"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

RC_GTEST_PROP(Size, IsReadAsItWasWritten, ()) {
  const auto bytes = *rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 53);
  const auto shift = *rc::gen::inRange(0, 40);
  RC_ASSERT(parse_size(format_size(bytes)).value() == bytes);
  const auto even = bytes >> shift << shift;
  RC_ASSERT(parse_size(format_size(even)).value() == even);
}

TEST(Duration, IsReadFromTheLargerUnitDown) {
  EXPECT_EQ(parse_duration("45s"), seconds(45));
  EXPECT_EQ(parse_duration("30m"), seconds(1800));
  EXPECT_EQ(parse_duration("1h30m"), seconds(5400));
  EXPECT_EQ(parse_duration("2d"), seconds(172'800));
  EXPECT_EQ(parse_duration("90"), seconds(90));
  EXPECT_EQ(parse_duration("90m"), seconds(5400));
}

TEST(Duration, RefusesWhatIsNotOne) {
  for (const char* text : {"", "h", "1h1h", "30m1h", "1h30", "-5s", "1.5h", "1 h", "5x", "4000d",
                           "99999999999999999999s", "s1"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

RC_GTEST_PROP(Duration, IsReadAsItWasWritten, ()) {
  const seconds time(*rc::gen::inRange<std::int64_t>(0, 300'000'000));
  RC_ASSERT(parse_duration(format_duration(time)).value() == time);
}

}  // namespace
}  // namespace millrace
