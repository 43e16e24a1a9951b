#include <rapidcheck.h>

#include <map>

#include "core/id.h"
#include "store/backend_test_worlds.h"

namespace millrace::store {
namespace {

using std::chrono::microseconds;
constexpr TimePoint kStart{microseconds{1'790'000'000'000'000}};

UsageRecord make_record(int number, microseconds started, microseconds duration) {
  UsageRecord record;
  char id[16];
  std::snprintf(id, sizeof id, "req_%08d", number);
  record.request_id = id;
  record.client_request_id = "client \xC3\xA9";
  record.tenant = "t" + std::to_string(number % 2);
  record.project = "p" + std::to_string(number % 3);
  record.key_id = "k" + std::to_string(number % 4);
  record.endpoint = "chat";
  record.model = "m" + std::to_string(number % 5);
  record.status = static_cast<UsageStatus>(1 + number % 3);
  record.input_tokens = 10 + number;
  record.cached_tokens = number;
  record.output_tokens = 2 * number;
  record.reasoning_tokens = number / 2;
  if (number % 7 != 0) {
    record.energy_uj = 1000 + number;
    record.co2e_ug = number;
    record.energy_model = "model";
  }
  record.basis = "modelled";
  record.cost_microeur = 3 * number;
  record.price_version = 1;
  record.site = "local";
  record.zone = "FR";
  record.started_at = kStart + started;
  record.ended_at = record.started_at + duration;
  record.accelerator_ms = 5 * number;
  record.cpu_us = 7 * number;
  return record;
}

template <typename World>
class UsageConformance : public testing::Test {
 protected:
  World world_;
};
TYPED_TEST_SUITE(UsageConformance, Worlds);

TYPED_TEST(UsageConformance, EveryFieldComesBack) {
  auto record = make_record(8, microseconds{5}, microseconds{7});
  auto& table = this->world_.usage();
  const UsageRecord other = make_record(7, microseconds{4}, microseconds{0});
  const std::vector<UsageRecord> both{record, other};
  EXPECT_EQ(*table.append(both), 2);
  EXPECT_EQ(*table.list({}, "", 10), (std::vector<UsageRecord>{other, record}));
  EXPECT_FALSE((*table.list({}, "", 1))[0].energy_uj);
}

TYPED_TEST(UsageConformance, AKnownRequestIsIgnoredEvenIfItDiffers) {
  auto& table = this->world_.usage();
  auto record = make_record(1, microseconds{0}, microseconds{1});
  EXPECT_EQ(*table.append({&record, 1}), 1);
  record.output_tokens = 999;
  EXPECT_EQ(*table.append({&record, 1}), 0);
  const std::vector<UsageRecord> twice{make_record(2, microseconds{1}, microseconds{1}),
                                       make_record(2, microseconds{1}, microseconds{1})};
  EXPECT_EQ(*table.append(twice), 1);
  EXPECT_EQ((*table.list({}, "", 10)).size(), 2U);
  EXPECT_EQ((*table.list({}, "", 10))[0].output_tokens, 2);
  EXPECT_EQ(*table.append({}), 0);
}

TYPED_TEST(UsageConformance, PagesJoinToTheWholeList) {
  auto& table = this->world_.usage();
  std::vector<UsageRecord> records;
  for (int i = 0; i < 30; ++i) records.push_back(make_record(i, microseconds{i * 100}, microseconds{50}));
  ASSERT_TRUE(table.append(records));
  UsageFilter filter;
  filter.from = kStart + microseconds{500};
  filter.to = kStart + microseconds{2500};
  filter.tenant = "t1";
  std::vector<UsageRecord> paged;
  for (std::string after;;) {
    const auto page = table.list(filter, after, 3);
    ASSERT_TRUE(page);
    if (page->empty()) break;
    EXPECT_LE(page->size(), 3U);
    paged.insert(paged.end(), page->begin(), page->end());
    after = page->back().request_id;
  }
  EXPECT_EQ(paged, *table.list(filter, "", 100));
  EXPECT_EQ(paged.size(), 10U);
  EXPECT_EQ(paged.front().started_at, kStart + microseconds{500});
}

TYPED_TEST(UsageConformance, OverlappingIsHalfOpen) {
  auto& table = this->world_.usage();
  const std::vector<UsageRecord> records{make_record(1, microseconds{0}, microseconds{100}),
                                         make_record(2, microseconds{100}, microseconds{100}),
                                         make_record(3, microseconds{0}, microseconds{1000})};
  ASSERT_TRUE(table.append(records));
  const auto found = [&](int from, int to) {
    std::string names;
    for (const auto& each : *table.overlapping(kStart + microseconds{from}, kStart + microseconds{to})) {
      names += each.request_id.back();
    }
    return names;
  };
  EXPECT_EQ(found(0, 100), "13");
  EXPECT_EQ(found(100, 101), "23");
  EXPECT_EQ(found(200, 1000), "3");
  EXPECT_EQ(found(1000, 2000), "");
  EXPECT_EQ(found(-10, 0), "");
}

TYPED_TEST(UsageConformance, IdsOfSeveralKindsAreFoundByTheirTimes) {
  auto& table = this->world_.usage();
  std::vector<UsageRecord> records;
  int hour = 0;
  for (const char* id : {"req_5", "run_1", "req_2", "r", "req_9", "run_0"}) {
    records.push_back(make_record(1, std::chrono::hours(hour), std::chrono::hours(hour == 1 ? 10 : 0)));
    records.back().request_id = id;
    ++hour;
  }
  ASSERT_EQ(*table.append(records), 6);
  const auto names = [](const std::vector<UsageRecord>& found) {
    std::string all;
    for (const auto& each : found) all += each.request_id + " ";
    return all;
  };
  UsageFilter filter;
  filter.from = kStart + std::chrono::hours(1);
  filter.to = kStart + std::chrono::hours(5);
  EXPECT_EQ(names(*table.list(filter, "", 10)), "r req_2 req_9 run_1 ");
  EXPECT_EQ(names(*table.list(filter, "", 2)), "r req_2 ");
  EXPECT_EQ(names(*table.list(filter, "req_2", 10)), "req_9 run_1 ");
  EXPECT_EQ(table.sum(filter, UsageDimension::kTenant)->at(0).requests, 4);
  EXPECT_EQ(names(*table.overlapping(kStart + std::chrono::hours(6), kStart + std::chrono::hours(7))),
            "run_1 ");
}

/// The naive model: plain arithmetic over everything that was appended.
std::map<std::string, UsageSum> naive_sums(const std::map<std::string, UsageRecord>& all,
                                           const UsageFilter& filter, UsageDimension by) {
  std::map<std::string, UsageSum> sums;
  for (const auto& [id, record] : all) {
    if ((filter.from && record.started_at < *filter.from) || (filter.to && record.started_at >= *filter.to))
      continue;
    if (!filter.tenant.empty() && record.tenant != filter.tenant) continue;
    if (!filter.project.empty() && record.project != filter.project) continue;
    const std::string name = by == UsageDimension::kModel     ? record.model
                             : by == UsageDimension::kKey     ? record.key_id
                             : by == UsageDimension::kProject ? record.project
                             : by == UsageDimension::kTenant  ? record.tenant
                                                              : to_rfc3339(record.started_at).substr(0, 10);
    UsageSum& sum = sums[name];
    sum.requests += 1;
    sum.input_tokens += record.input_tokens;
    sum.cached_tokens += record.cached_tokens;
    sum.output_tokens += record.output_tokens;
    sum.reasoning_tokens += record.reasoning_tokens;
    sum.energy_uj += record.energy_uj ? *record.energy_uj : 0;
    sum.co2e_ug += record.co2e_ug ? *record.co2e_ug : 0;
    sum.cost_microeur += record.cost_microeur;
    sum.accelerator_ms += record.accelerator_ms;
    sum.cpu_us += record.cpu_us;
  }
  return sums;
}

TYPED_TEST(UsageConformance, SumsEqualTheNaiveModel) {
  auto& table = this->world_.usage();
  std::map<std::string, UsageRecord> all;  // grows over the runs of the property, as the table does
  const bool held = rc::check([&] {
    const auto numbers = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 2000));
    std::vector<UsageRecord> batch;
    for (const int number : numbers) {
      batch.push_back(make_record(number, std::chrono::minutes(number * 37 % 9000), microseconds{number}));
    }
    std::int64_t fresh = 0;
    for (const auto& record : batch) fresh += all.try_emplace(record.request_id, record).second ? 1 : 0;
    RC_ASSERT(*table.append(batch) == fresh);
    UsageFilter filter;
    if (*rc::gen::arbitrary<bool>()) filter.from = kStart + std::chrono::minutes(*rc::gen::inRange(0, 9000));
    if (*rc::gen::arbitrary<bool>()) filter.to = kStart + std::chrono::minutes(*rc::gen::inRange(0, 9000));
    filter.tenant = *rc::gen::element<std::string>("", "t0", "t1");
    filter.project = *rc::gen::element<std::string>("", "p0", "p2");
    const auto by = *rc::gen::element(UsageDimension::kModel, UsageDimension::kKey, UsageDimension::kProject,
                                      UsageDimension::kDay, UsageDimension::kTenant);
    const auto want = naive_sums(all, filter, by);
    const auto found = table.sum(filter, by);
    RC_ASSERT(found.has_value());
    RC_ASSERT(found->size() == want.size());
    std::size_t at = 0;
    for (const auto& [name, sum] : want) {
      const UsageSum& got = (*found)[at++];
      RC_ASSERT(got.name == name);
      RC_ASSERT(
          std::tie(got.requests, got.input_tokens, got.cached_tokens, got.output_tokens, got.reasoning_tokens,
                   got.energy_uj, got.co2e_ug, got.cost_microeur, got.accelerator_ms, got.cpu_us) ==
          std::tie(sum.requests, sum.input_tokens, sum.cached_tokens, sum.output_tokens, sum.reasoning_tokens,
                   sum.energy_uj, sum.co2e_ug, sum.cost_microeur, sum.accelerator_ms, sum.cpu_us));
    }
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace millrace::store
