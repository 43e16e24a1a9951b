#include "ledger/usage_json.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace millrace::ledger {
namespace {

store::UsageRecord sample_record() {
  store::UsageRecord record;
  record.request_id = "req_1";
  record.tenant = "t";
  record.project = "p";
  record.key_id = "key_1";
  record.endpoint = "chat";
  record.model = "m";
  record.status = store::UsageStatus::kCancelled;
  record.input_tokens = 7;
  record.cached_tokens = 2;
  record.output_tokens = 9;
  record.reasoning_tokens = 4;
  record.basis = "modelled";
  record.site = "local";
  record.zone = "FR";
  record.cost_microeur = 25;
  record.price_version = 3;
  record.started_at = TimePoint{std::chrono::seconds{1'790'000'000}};
  record.ended_at = record.started_at + std::chrono::microseconds{1'500'000};
  return record;
}

std::string text_of(const store::UsageRecord& record) {
  host::JsonWriter out;
  write_usage(out, record);
  return out.take();
}

TEST(UsageJson, HasExactlyTheDocumentedMembersInOrder) {
  auto record = sample_record();
  EXPECT_EQ(text_of(record),
            R"({"request_id":"req_1","client_request_id":null,"tenant":"t","project":"p","key_id":"key_1",)"
            R"("endpoint":"chat","model":"m","status":"cancelled","input_tokens":7,"cached_tokens":2,)"
            R"("output_tokens":9,"reasoning_tokens":4,"energy_j":null,"co2e_g":null,"energy_model":null,)"
            R"("accelerator_s":0.000000,"cpu_s":0.000000,"cost_microeur":25,)"
            R"("price_version":3,"basis":"modelled","site":"local","zone":"FR",)"
            R"("started_at":"2026-09-21T14:13:20.000000Z","ended_at":"2026-09-21T14:13:21.500000Z"})");
  record.energy_uj = 1'234'567;
  record.co2e_ug = 45;
  record.energy_model = "model";
  const auto text = text_of(record);
  EXPECT_NE(text.find(R"("energy_j":1.234567,"co2e_g":0.000045,"energy_model":"model")"), std::string::npos)
      << text;
}

TEST(UsageJson, ASumHasExactlyTheDocumentedMembersInOrder) {
  host::JsonWriter out;
  write_usage_sum(out, {.name = "m",
                        .requests = 1,
                        .input_tokens = 2,
                        .cached_tokens = 3,
                        .output_tokens = 4,
                        .reasoning_tokens = 5,
                        .energy_uj = 6,
                        .co2e_ug = 7,
                        .cost_microeur = 8,
                        .accelerator_ms = 9,
                        .cpu_us = 10});
  EXPECT_EQ(out.take(),
            R"({"name":"m","requests":1,"input_tokens":2,"cached_tokens":3,"output_tokens":4,)"
            R"("reasoning_tokens":5,"energy_j":0.000006,"co2e_g":0.000007,"accelerator_s":0.009000,)"
            R"("cpu_s":0.000010,"cost_microeur":8,"cost_eur":0.000008})");
}

TEST(UsageJson, ReadsBackWhatItWrote) {
  EXPECT_TRUE(rc::check([] {
    auto record = sample_record();
    record.client_request_id = *rc::gen::element<std::string>("", "x");
    if (*rc::gen::arbitrary<bool>())
      record.energy_uj = *rc::gen::inRange<std::int64_t>(0, 4'000'000'000'000'000);
    if (*rc::gen::arbitrary<bool>())
      record.co2e_ug = *rc::gen::inRange<std::int64_t>(0, 4'000'000'000'000'000);
    record.output_tokens = *rc::gen::arbitrary<std::int64_t>();
    const auto value = host::parse_json(text_of(record));
    RC_ASSERT(value.has_value());
    const auto back = parse_usage(*host::JsonObject::of(*value));
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == record);
  }));
}

TEST(UsageJson, MillionthsAreExact) {
  EXPECT_EQ(decimal_of_millionths(0), "0.000000");
  EXPECT_EQ(decimal_of_millionths(-1), "-0.000001");
  EXPECT_EQ(decimal_of_millionths(-12'345'678), "-12.345678");
  EXPECT_EQ(decimal_of_millionths(INT64_MIN), "-9223372036854.775808");
}

}  // namespace
}  // namespace millrace::ledger
