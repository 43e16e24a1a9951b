#include "control/past_use.h"

#include <gtest/gtest.h>

#include "control/cluster_test_support.h"

namespace millrace::control {
namespace {

TEST(PastUse, ReadsBackBitForBit) {
  scheduler::PastUse past;
  past.mean = {1.0 / 3.0, 7999.999999999999, 12'345.0};
  past.as_of = at(7) + std::chrono::microseconds(123'457);
  EXPECT_EQ(parse_past_use(to_json(past)).value(), past);
}

TEST(PastUse, AWrongRecordIsRefusedAndNamesItsKey) {
  for (const char* const text :
       {"", "[]", "{}", R"({"as_of_us":"now"})", R"({"as_of_us":1,"cpu_milli":-1})"}) {
    const auto read = parse_past_use(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt) << text;
  }
  EXPECT_NE(parse_past_use(R"({"as_of_us":1,"cpu_milli":-1})").error().message.find("cpu_milli"),
            std::string::npos);
}

}  // namespace
}  // namespace millrace::control
