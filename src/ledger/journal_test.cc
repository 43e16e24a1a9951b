#include "ledger/journal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "energy/carbon.h"
#include "host/file.h"
#include "ledger/drain.h"
#include "ledger/journal_format.h"
#include "ledger/ledger_test_support.h"
#include "store/fake/faulty_store.h"
#include "store/memory/memory_usage.h"

namespace millrace::ledger {
namespace {

using std::chrono::seconds;
using store::UsageStatus;

class JournalTest : public testing::Test {
 protected:
  TempFolder folder_;
  FixedClock clock_;
  store::MemoryUsageTable table_;
  JournalDrain drain_{folder_.path(), table_, clock_};
  std::vector<store::UsageRecord> records() { return *table_.list({}, "", 1'000'000); }
  JournalDrain::Report drain() {
    auto report = drain_.drain();
    EXPECT_TRUE(report) << report.error().message;
    return report ? *std::move(report) : JournalDrain::Report{};
  }
};

/// Descriptors of the thread of this process that has fewest, as /proc tells it.
std::size_t fewest_descriptors() {
  std::size_t fewest = SIZE_MAX;
  for (const auto& thread : *host::list_dir("/proc/self/task")) {
    if (const auto open = host::list_dir("/proc/self/task/" + thread + "/fd"))
      fewest = std::min(fewest, open->size());
  }
  return fewest;
}

TEST_F(JournalTest, TheSyncingThreadSharesNoDescriptorsWithTheOneThatServes) {
  auto journal = make_journal(folder_.path(), "j1");
  const auto until = std::chrono::steady_clock::now() + seconds(10);
  while (fewest_descriptors() > 4 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_LE(fewest_descriptors(), 4U);  // the mirror
  EXPECT_TRUE(host::exists(folder_.path() + "/j1.mrj"));
  // The lock is still held: the drain does not take the journal for a dead one's.
  journal->open(open_request("req_1"));
  EXPECT_FALSE(drain().journals.at(0).closed);
}

TEST_F(JournalTest, ASettledRequestBecomesOneWholeRecord) {
  auto journal = make_journal(folder_.path(), "j1");
  const auto slot = journal->open(open_request("req_1"));
  ASSERT_TRUE(slot);
  journal->update(*slot, {.input_tokens = 5, .cached_tokens = 2, .output_tokens = 1, .energy_uj = 10},
                  kStart + seconds(1));
  journal->finalise(*slot,
                    {.input_tokens = 7,
                     .cached_tokens = 3,
                     .output_tokens = 9,
                     .reasoning_tokens = 4,
                     .energy_uj = 7'200'000},
                    kStart + seconds(2));
  EXPECT_EQ(journal->settle(*slot, UsageStatus::kCompleted, kStart + seconds(3)), 1U);
  const auto report = drain();
  ASSERT_EQ(report.journals.size(), 1U);
  EXPECT_EQ(report.journals[0].id, "j1");
  EXPECT_EQ(report.journals[0].through, 1U);
  EXPECT_FALSE(report.journals[0].closed);
  ASSERT_EQ(records().size(), 1U);
  store::UsageRecord want;
  want.request_id = "req_1";
  want.client_request_id = "client-1";
  want.tenant = "default";
  want.project = "project";
  want.key_id = "key_1";
  want.endpoint = "chat";
  want.model = "smollm2";
  want.status = UsageStatus::kCompleted;
  want.input_tokens = 7;
  want.cached_tokens = 3;
  want.output_tokens = 9;
  want.reasoning_tokens = 4;
  want.energy_uj = 7'200'000;
  want.co2e_ug = energy::co2e_ug(7'200'000, 50);
  want.energy_model = "cpu-time-linear-v1";
  want.basis = "modelled";
  want.cost_microeur = 7 + 18;
  want.price_version = 3;
  want.site = "local";
  want.zone = "FR";
  want.started_at = kStart;
  want.ended_at = kStart + seconds(3);
  EXPECT_EQ(records()[0], want);
  EXPECT_EQ(report.records, records());
}

TEST_F(JournalTest, OpenRequestsOfALivingGatewayAreLeftAlone) {
  auto journal = make_journal(folder_.path(), "j1");
  ASSERT_TRUE(journal->open(open_request("req_1")));
  EXPECT_EQ(drain().records.size(), 0U);
  EXPECT_EQ(journal->open_count(), 1U);
}

TEST_F(JournalTest, OpenRequestsOfAGoneGatewayFailWithTheirFiguresSoFar) {
  auto journal = make_journal(folder_.path(), "j1");
  const auto slot = *journal->open(open_request("req_1"));
  journal->update(slot, {.input_tokens = 4, .output_tokens = 2, .reasoning_tokens = 1}, kStart + seconds(1));
  const auto final = *journal->open(open_request("req_2"));
  journal->finalise(final, {.input_tokens = 6, .output_tokens = 6, .energy_uj = 5}, kStart + seconds(2));
  ASSERT_TRUE(journal->open(open_request("req_3")));
  drain();  // the drain knows the file before the gateway goes
  journal.reset();
  const auto report = drain();
  EXPECT_TRUE(report.journals.at(0).closed);
  EXPECT_EQ(host::list_dir(folder_.path())->size(), 0U);
  ASSERT_EQ(records().size(), 3U);
  for (const auto& record : records()) EXPECT_EQ(record.status, UsageStatus::kFailed);
  EXPECT_EQ(records()[0].output_tokens, 2);
  EXPECT_EQ(records()[0].reasoning_tokens, 1);
  EXPECT_FALSE(records()[0].energy_uj);
  EXPECT_EQ(records()[0].ended_at, kStart + seconds(1));
  EXPECT_EQ(records()[1].output_tokens, 6);
  EXPECT_EQ(records()[2].input_tokens, 0);
  EXPECT_EQ(records()[2].ended_at, kStart);
  EXPECT_EQ(drain().journals.size(), 0U);
}

TEST_F(JournalTest, FiguresNeverGoDownAndFinalOnesStand) {
  auto journal = make_journal(folder_.path(), "j1");
  const auto slot = *journal->open(open_request("req_1"));
  journal->update(
      slot,
      {.input_tokens = 10, .cached_tokens = 20, .output_tokens = 5, .reasoning_tokens = 6, .energy_uj = 100},
      kStart + seconds(2));
  journal->update(slot, {.input_tokens = 3, .output_tokens = 9}, kStart + seconds(1));
  const auto read = [&] {
    auto file = MappedFile::map(host::Fd(::open((folder_.path() + "/j1.mrj").c_str(), O_RDWR)), "j1");
    JournalView::Contexts contexts;
    store::UsageRecord record;
    EXPECT_TRUE(JournalView::of(file->bytes())->read(slot.index, contexts, record));
    return record;
  };
  EXPECT_EQ(read().input_tokens, 10);
  EXPECT_EQ(read().cached_tokens, 10);
  EXPECT_EQ(read().output_tokens, 9);
  EXPECT_EQ(read().reasoning_tokens, 5);
  EXPECT_EQ(read().energy_uj, 100);
  EXPECT_EQ(read().ended_at, kStart + seconds(2));
  journal->finalise(slot, {.input_tokens = 8, .output_tokens = 7, .energy_uj = 90}, kStart + seconds(3));
  journal->update(slot, {.input_tokens = 99, .output_tokens = 99, .energy_uj = 999}, kStart + seconds(4));
  EXPECT_EQ(read().input_tokens, 8);
  EXPECT_EQ(read().output_tokens, 7);
  EXPECT_EQ(read().reasoning_tokens, 0);
  EXPECT_EQ(read().energy_uj, 90);
}

TEST_F(JournalTest, AFullJournalRefusesUntilTheDrainFreesSlots) {
  auto journal = make_journal(folder_.path(), "j1", 16);
  std::vector<JournalSlot> slots;
  for (int i = 0; i < 16; ++i)
    slots.push_back(*journal->open(open_request("req_" + std::to_string(100 + i))));
  EXPECT_FALSE(journal->open(open_request("req_x")));
  EXPECT_FALSE(journal->open(open_request("")));
  for (int i = 0; i < 5; ++i)
    journal->settle(slots[static_cast<std::size_t>(i)], UsageStatus::kCompleted, kStart);
  EXPECT_FALSE(journal->open(open_request("req_x")));  // settled, but not yet in the table
  drain();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(journal->open(open_request("req_" + std::to_string(200 + i))));
  EXPECT_FALSE(journal->open(open_request("req_x")));
}

TEST_F(JournalTest, LongTextsAreCutAtACharacter) {
  auto journal = make_journal(folder_.path(), "j1");
  std::string accents;
  for (int i = 0; i < 100; ++i) accents += "\xE2\x82\xAC";
  auto request = open_request("req_1");
  for (auto* text :
       {&request.client_request_id, &request.tenant, &request.project, &request.endpoint, &request.model,
        &request.site, &request.zone, &request.energy_model, &request.basis, &request.key_id}) {
    *text = accents;
  }
  journal->settle(*journal->open(request), UsageStatus::kCompleted, kStart);
  drain();
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records()[0].client_request_id, accents.substr(0, 63));
  EXPECT_EQ(records()[0].basis, accents.substr(0, 12));
  EXPECT_EQ(records()[0].zone, accents.substr(0, 24));
}

TEST_F(JournalTest, ATextOfTheClientsThatIsNoUtf8LosesNoRecord) {
  auto journal = make_journal(folder_.path(), "j1");
  const std::string cut_inside = std::string(63, 'a') + "\xC3\xA9";
  const std::string_view given[] = {"\xFF", "\xC3", "mine\xC3", cut_inside};
  for (std::size_t i = 0; i < std::size(given); ++i) {
    const std::string id = "req_" + std::to_string(i);
    auto request = open_request(id);
    request.client_request_id = given[i];
    journal->settle(*journal->open(request), UsageStatus::kCompleted, kStart);
  }
  drain();
  ASSERT_EQ(records().size(), std::size(given));
  EXPECT_EQ(records()[0].client_request_id, "");
  EXPECT_EQ(records()[2].client_request_id, "");
  EXPECT_EQ(records()[3].client_request_id, std::string(63, 'a'));
}

TEST_F(JournalTest, ADrainKilledBetweenAppendAndFreeDoublesNothing) {
  auto journal = make_journal(folder_.path(), "j1");
  store::FaultyUsageTable faulty(table_);
  JournalDrain killed(folder_.path(), faulty, clock_);
  for (int i = 0; i < 10; ++i) {
    journal->settle(*journal->open(open_request("req_" + std::to_string(100 + i))), UsageStatus::kCompleted,
                    kStart);
  }
  faulty.writes.fail_next(1, ErrorCode::kTimeout, true);  // appended, but the drain never learns of it
  EXPECT_FALSE(killed.drain());
  EXPECT_EQ(records().size(), 10U);
  const auto report = drain();
  EXPECT_TRUE(report.some_were_known);
  EXPECT_EQ(records().size(), 10U);
  EXPECT_FALSE(drain().some_were_known);
}

TEST_F(JournalTest, AFailingTableLosesNothing) {
  auto journal = make_journal(folder_.path(), "j1");
  store::FaultyUsageTable faulty(table_);
  JournalDrain drain_to_faulty(folder_.path(), faulty, clock_);
  journal->settle(*journal->open(open_request("req_1")), UsageStatus::kCancelled, kStart);
  faulty.writes.fail_next(1, ErrorCode::kExhausted);
  EXPECT_EQ(drain_to_faulty.drain().error().code, ErrorCode::kExhausted);
  EXPECT_EQ(records().size(), 0U);
  EXPECT_TRUE(drain_to_faulty.drain());
  EXPECT_EQ(records().size(), 1U);
  journal.reset();
  faulty.writes.fail_next(1, ErrorCode::kExhausted);
  EXPECT_FALSE(drain_to_faulty.drain());
  EXPECT_EQ(host::list_dir(folder_.path())->size(), 2U);  // not removed before its records are safe
  EXPECT_TRUE(drain_to_faulty.drain());
  EXPECT_EQ(host::list_dir(folder_.path())->size(), 0U);
}

TEST_F(JournalTest, DamagedFilesAreSetAsideWithAClearReason) {
  ASSERT_TRUE(host::write_file_atomic(folder_.path() + "/short.mrj", "x"));
  ASSERT_TRUE(host::write_file_atomic(folder_.path() + "/empty.mrj", ""));
  ASSERT_TRUE(host::write_file_atomic(folder_.path() + "/noise.mrj", std::string(20000, 'x')));
  {
    auto journal = make_journal(folder_.path(), "cut");
    ASSERT_TRUE(journal->open(open_request("req_cut")));
  }
  auto cut = *host::read_file(folder_.path() + "/cut.mrj");
  ASSERT_TRUE(host::write_file_atomic(folder_.path() + "/cut.mrj", cut.substr(0, cut.size() - 1)));
  const auto report = drain();
  EXPECT_EQ(report.damage.size(), 4U);
  for (const auto& reason : report.damage) EXPECT_NE(reason.find("kept as "), std::string::npos) << reason;
  EXPECT_TRUE(drain().damage.empty());
  const auto names = *host::list_dir(folder_.path());
  EXPECT_EQ(names, (std::vector<std::string>{"cut.mrj.damaged", "cut.mrj.mirror.damaged", "empty.mrj.damaged",
                                             "noise.mrj.damaged", "short.mrj.damaged"}));
}

TEST_F(JournalTest, ADamagedSlotCostsOnlyItself) {
  {
    auto journal = make_journal(folder_.path(), "j1");
    for (const char* id : {"req_1", "req_2", "req_3"}) ASSERT_TRUE(journal->open(open_request(id)));
  }
  const std::string path = folder_.path() + "/j1.mrj";
  {
    auto file = MappedFile::map(host::Fd(::open(path.c_str(), O_RDWR)), path);
    auto* slots = reinterpret_cast<SlotData*>(file->bytes().data() + JournalLayout(64).slots);
    slots[1].text_length[1] = 255;
  }
  const auto report = drain();
  ASSERT_EQ(report.damage.size(), 2U);
  EXPECT_NE(report.damage[0].find("slot 1: text 1 is 255 bytes long"), std::string::npos) << report.damage[0];
  EXPECT_EQ(records().size(), 2U);
  EXPECT_TRUE(host::exists(path + ".damaged"));
}

TEST_F(JournalTest, ADamagedContextCostsOnlyTheRequestsThatNameIt) {
  {
    auto journal = make_journal(folder_.path(), "j1");
    for (const char* tenant : {"one", "two", "three"}) {
      auto request = open_request(tenant);
      request.tenant = tenant;
      ASSERT_TRUE(journal->open(request));
    }
  }
  const std::string path = folder_.path() + "/j1.mrj";
  {
    auto file = MappedFile::map(host::Fd(::open(path.c_str(), O_RDWR)), path);
    auto* contexts = reinterpret_cast<ContextData*>(file->bytes().data() + JournalLayout(64).contexts);
    contexts[1].price_version = -1;
    auto* slots = reinterpret_cast<SlotData*>(file->bytes().data() + JournalLayout(64).slots);
    slots[2].context = 64;
  }
  const auto report = drain();
  ASSERT_EQ(report.damage.size(), 3U);
  EXPECT_NE(report.damage[0].find("slot 1: context 1: a price is out of range"), std::string::npos)
      << report.damage[0];
  EXPECT_NE(report.damage[1].find("slot 2: it names context 64"), std::string::npos) << report.damage[1];
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records()[0].tenant, "one");
  EXPECT_TRUE(host::exists(path + ".damaged"));
}

TEST_F(JournalTest, ANewerVersionIsLeftWhereItIs) {
  {
    auto journal = make_journal(folder_.path(), "j1");
  }
  const std::string path = folder_.path() + "/j1.mrj";
  {
    auto file = MappedFile::map(host::Fd(::open(path.c_str(), O_RDWR)), path);
    reinterpret_cast<JournalHeader*>(file->bytes().data())->version = kJournalVersion + 1;
  }
  const auto report = drain();
  ASSERT_EQ(report.damage.size(), 1U);
  EXPECT_NE(report.damage[0].find("version 3 is newer"), std::string::npos);
  EXPECT_TRUE(host::exists(path));
}

TEST_F(JournalTest, IsSyncedInGroupsSoonAfterAChange) {
  auto journal = make_journal(folder_.path(), "j1", 1024);
  const auto before = journal->sync_count();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(journal->open(open_request("req_" + std::to_string(i))));
  for (int i = 0; i < 100 && journal->sync_count() == before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_GT(journal->sync_count(), before);
  EXPECT_LT(journal->sync_count(), before + 20);
  journal->sync();
  const auto idle = journal->sync_count();
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  EXPECT_EQ(journal->sync_count(), idle);
}

TEST_F(JournalTest, CreateRefusesBadNamesAndFilesThatExist) {
  const auto create = [&](std::string_view id, std::uint32_t slots) {
    return Journal::create(folder_.path(), id, {.slots = slots}).has_value();
  };
  EXPECT_FALSE(create("", 64));
  EXPECT_FALSE(create(std::string(41, 'a'), 64));
  EXPECT_FALSE(create("a", 15));
  EXPECT_TRUE(create("a", 16));
  EXPECT_FALSE(create("a", 16));
  EXPECT_FALSE(create("a b", 16));
}

TEST_F(JournalTest, AnAbandonedCreationIsRemovedAfterAMinute) {
  const std::string path = folder_.path() + "/j1.mrj.tmp";
  ASSERT_TRUE(host::write_file_atomic(path, "x"));
  struct stat info;
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  clock_.time = TimePoint{seconds{info.st_mtime + 5}};
  drain();
  EXPECT_TRUE(host::exists(path));
  clock_.time += seconds{100};
  drain();
  EXPECT_FALSE(host::exists(path));
}

}  // namespace
}  // namespace millrace::ledger
