#include "core/clock.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Rfc3339, RoundTripsToTheMicrosecond) {
  const auto time = parse_rfc3339("2026-11-22T10:20:30.123456Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(to_rfc3339(*time), "2026-11-22T10:20:30.123456Z");
}

TEST(Rfc3339, AppliesAnOffset) {
  EXPECT_EQ(to_rfc3339(*parse_rfc3339("2026-01-01T00:30:00+01:00")), "2025-12-31T23:30:00.000000Z");
}

TEST(Rfc3339, TakesABareDateAsMidnight) {
  EXPECT_EQ(to_rfc3339(*parse_rfc3339("2026-02-28")), "2026-02-28T00:00:00.000000Z");
}

TEST(Rfc3339, RefusesWhatIsNotATime) {
  for (const char* text :
       {"", "2026", "2026-13-01", "2026-02-30", "2026-01-01T", "2026-01-01T00:00:00", "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx", "yesterday"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

TEST(Month, EndsAtTheFirstOfTheNext) {
  const auto time = *parse_rfc3339("2026-12-31T23:59:59Z");
  EXPECT_EQ(month_of(time), 202612);
  EXPECT_EQ(to_rfc3339(next_month(time)), "2027-01-01T00:00:00.000000Z");
  EXPECT_EQ(date_of(time), "2026-12-31");
}

}  // namespace
}  // namespace millrace
