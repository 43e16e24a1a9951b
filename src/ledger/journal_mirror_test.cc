#include "ledger/journal_mirror.h"

#include <fcntl.h>
#include <rapidcheck.h>
#include <utime.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>

#include "host/file.h"
#include "ledger/drain.h"
#include "ledger/journal_format.h"
#include "ledger/ledger_test_support.h"
#include "store/memory/memory_usage.h"

namespace millrace::ledger {
namespace {

using store::UsageStatus;

/// A journal whose own thread never syncs, a server, and a machine that loses its power.
class PowerLossTest : public testing::Test {
 protected:
  PowerLossTest()
      : journal_(
            *Journal::create(folder_.path(), "j1", {.slots = 64, .sync_interval = std::chrono::hours(1)})),
        synced_(file(mirror_path(path_))) {}
  std::string file(const std::string& path) const { return *host::read_file(path, 64u << 20); }
  std::string journal_now() const { return file(path_); }
  JournalSlot open(std::string_view id) { return *journal_->open(open_request(id)); }
  void sync() {
    journal_->sync();
    synced_ = file(mirror_path(path_));
  }
  /// What the disk has after it: these pages of the journal, and the mirror as of the last sync.
  void lose_power(std::string journal) {
    journal_.reset();
    journal.replace(offsetof(JournalHeader, boot_id), 36, std::string(36, '0'));
    ASSERT_TRUE(host::write_file_atomic(path_, journal));
    ASSERT_TRUE(host::write_file_atomic(mirror_path(path_), synced_));
  }
  JournalDrain::Report drain() { return *drain_.drain(); }
  std::map<std::string, store::UsageRecord> records() const {
    std::map<std::string, store::UsageRecord> by_id;
    for (auto& record : *table_.list({}, "", 1'000'000)) by_id.emplace(record.request_id, record);
    return by_id;
  }

  TempFolder folder_;
  const std::string path_ = folder_.path() + "/j1.mrj";
  FixedClock clock_;
  store::MemoryUsageTable table_;
  JournalDrain drain_{folder_.path(), table_, clock_};
  std::unique_ptr<Journal> journal_;
  std::string synced_;
};

TEST_F(PowerLossTest, WhatWasSyncedIsInTheLedgerThoughNoPageOfTheJournalWas) {
  const std::string before = journal_now();
  const auto done = open("req_done");
  journal_->finalise(done, {.input_tokens = 5, .output_tokens = 7}, kStart);
  journal_->settle(done, UsageStatus::kCompleted, kStart);
  journal_->update(open("req_open"), {.input_tokens = 3, .output_tokens = 2}, kStart);
  sync();
  open("req_late");
  lose_power(before);
  const auto report = drain();
  EXPECT_TRUE(report.damage.empty()) << report.damage[0];
  EXPECT_TRUE(report.journals.at(0).closed);
  const auto found = records();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found.at("req_done").status, UsageStatus::kCompleted);
  EXPECT_EQ(found.at("req_done").output_tokens, 7);
  EXPECT_EQ(found.at("req_done").tenant, "default");
  EXPECT_EQ(found.at("req_open").status, UsageStatus::kFailed);
  EXPECT_EQ(found.at("req_open").output_tokens, 2);
  EXPECT_TRUE(host::list_dir(folder_.path())->empty());
}

TEST_F(PowerLossTest, WhereTheJournalKnowsMoreItCounts) {
  const auto slot = open("req_1");
  sync();
  open("req_2");
  journal_->finalise(slot, {.input_tokens = 5, .output_tokens = 7}, kStart);
  journal_->settle(slot, UsageStatus::kCompleted, kStart);
  lose_power(journal_now());
  drain();
  EXPECT_EQ(records().size(), 2U);
  EXPECT_EQ(records().at("req_1").status, UsageStatus::kCompleted);
  EXPECT_EQ(records().at("req_1").output_tokens, 7);
}

TEST_F(PowerLossTest, WithoutItTheMirrorIsNotAsked) {
  open("req_1");
  sync();
  journal_.reset();
  ASSERT_TRUE(host::write_file_atomic(mirror_path(path_), "no journal"));
  const auto report = drain();
  EXPECT_TRUE(report.damage.empty());
  EXPECT_FALSE(report.some_were_known);
  EXPECT_EQ(records().size(), 1U);
  EXPECT_TRUE(host::list_dir(folder_.path())->empty());
}

TEST_F(PowerLossTest, AMirrorThatIsNoneIsToldAndTheJournalCounts) {
  open("req_1");
  synced_ = "no journal";
  lose_power(journal_now());
  const auto report = drain();
  ASSERT_EQ(report.damage.size(), 1U);
  EXPECT_NE(report.damage[0].find("j1.mrj.mirror"), std::string::npos) << report.damage[0];
  EXPECT_EQ(records().size(), 1U);
}

TEST_F(PowerLossTest, AMirrorWithoutAJournalIsRemovedAfterAMinute) {
  const std::string path = mirror_path(folder_.path() + "/gone.mrj");
  ASSERT_TRUE(host::write_file_atomic(path, "x"));
  const auto written = [&](std::int64_t ago_s) {
    const auto at = std::chrono::duration_cast<std::chrono::seconds>(clock_.time.time_since_epoch()).count();
    const utimbuf times{at - ago_s, at - ago_s};
    ASSERT_EQ(::utime(path.c_str(), &times), 0);
  };
  written(50);
  drain();
  EXPECT_TRUE(host::exists(path));
  written(70);
  drain();
  EXPECT_FALSE(host::exists(path));
  EXPECT_TRUE(host::exists(mirror_path(path_)));
}

TEST_F(PowerLossTest, ASyncOfNothingNewWritesNothing) {
  journal_->sync();
  EXPECT_EQ(journal_->sync_count(), 0U);
  const auto slot = open("req_1");
  journal_->sync();
  journal_->sync();
  EXPECT_EQ(journal_->sync_count(), 1U);
  journal_->update(slot, {.input_tokens = 1}, kStart);
  journal_->sync();
  EXPECT_EQ(journal_->sync_count(), 2U);
}

TEST(JournalAndItsMirror, NamesNoContextThatIsNotThere) {
  TempFolder folder;
  const std::string path = folder.path() + "/j1.mrj";
  auto journal =
      *Journal::create(folder.path(), "j1", {.slots = 8192, .sync_interval = std::chrono::hours(1)});
  const std::jthread gateway([&] {
    for (int i = 0; i < 8192; ++i) {
      const std::string id = "req-" + std::to_string(i);
      OpenRequest request = open_request(id);
      request.tenant = id;  // a context of its own
      journal->open(request);
    }
  });
  std::size_t seen = 0;
  while (seen < 8192) {
    journal->sync();
    std::string bytes = *host::read_file(mirror_path(path), 64u << 20);
    // Page-aligned, as a mapping is.
    auto* room =
        static_cast<std::uint8_t*>(std::aligned_alloc(kPage, (bytes.size() + kPage - 1) / kPage * kPage));
    bytes.copy(reinterpret_cast<char*>(room), bytes.size());
    const auto view = JournalView::of({room, bytes.size()});
    ASSERT_TRUE(view) << view.error().message;
    JournalView::Contexts contexts;
    store::UsageRecord record;
    seen = 0;
    for (std::uint32_t slot = 0; slot < view->slots(); ++slot) {
      if (!view->in_use(slot)) continue;
      ++seen;
      if (!view->read(slot, contexts, record))
        continue;  // its state is newer than the slot: of the next sync
      EXPECT_EQ(record.tenant, record.request_id);
    }
    std::free(room);
  }
}

/// A gateway and a server at work, on a machine whose pages reach the disk when they like.
class Work {
 public:
  void step() {
    now_ += std::chrono::milliseconds(1);
    const int what = *rc::gen::inRange(0, 20);
    if (what < 10) {
      accept();
    } else if (what < 17) {
      if (!running_.empty()) progress(what >= 14);
    } else if (what == 17) {
      RC_ASSERT(drain_.drain().has_value());
    } else if (what == 18) {
      journal_->sync();
      synced_ = bytes(mirror_path(path_));
      noted_at_sync_ = noted_;
    } else {
      write_back();
    }
  }

  void lose_power() {
    write_back();
    journal_.reset();
    disk_.replace(offsetof(JournalHeader, boot_id), 36, std::string(36, '0'));
    RC_ASSERT(host::write_file_atomic(path_, disk_).has_value());
    RC_ASSERT(host::write_file_atomic(mirror_path(path_), synced_).has_value());
    JournalDrain drain(folder_.path(), table_, clock_);
    RC_ASSERT(drain.drain().has_value());
  }

  void check() const {
    std::map<std::string, store::UsageRecord> found;
    for (auto& record : *table_.list({}, "", 1'000'000)) found.emplace(record.request_id, record);
    for (const auto& [id, record] : found) RC_ASSERT(noted_.contains(id));
    for (const auto& [id, note] : noted_at_sync_) {
      RC_ASSERT(found.contains(id));
      RC_ASSERT(found.at(id).output_tokens >= note.figures.output_tokens);
      if (!note.settled) continue;
      RC_ASSERT(found.at(id).output_tokens == note.figures.output_tokens);
      RC_ASSERT(found.at(id).status == UsageStatus::kCompleted);
    }
  }

 private:
  struct Noted {
    Figures figures;
    bool settled = false;
  };

  static std::string bytes(const std::string& path) { return *host::read_file(path, 64u << 20); }

  void accept() {
    const std::string id = "req_" + std::to_string(++last_);
    OpenRequest request = open_request(id);
    request.started_at = now_;
    request.tenant = last_ % 3 == 0 ? "one" : "two";
    const auto slot = journal_->open(request);
    if (!slot) return;
    running_.emplace_back(id, *slot);
    noted_[id] = {};
  }

  void progress(bool to_the_end) {
    const auto at = running_.begin() + *rc::gen::inRange<std::ptrdiff_t>(0, std::ssize(running_));
    Noted& note = noted_[at->first];
    note.figures.output_tokens += 3;
    if (!to_the_end) return journal_->update(at->second, note.figures, now_);
    journal_->finalise(at->second, note.figures, now_);
    journal_->settle(at->second, UsageStatus::kCompleted, now_);
    note.settled = true;
    running_.erase(at);
  }

  void write_back() {
    const std::string now = bytes(path_);
    for (std::size_t at = 0; at < now.size(); at += kPage) {
      const bool changed = now.compare(at, kPage, disk_, at, kPage) != 0;
      if (changed && *rc::gen::arbitrary<bool>()) disk_.replace(at, kPage, now, at, kPage);
    }
  }

  TempFolder folder_;
  const std::string path_ = folder_.path() + "/j1.mrj";
  FixedClock clock_;
  store::MemoryUsageTable table_;
  JournalDrain drain_{folder_.path(), table_, clock_};
  // Few slots, which soon are used again.
  std::unique_ptr<Journal> journal_ =
      *Journal::create(folder_.path(), "j1", {.slots = 24, .sync_interval = std::chrono::hours(1)});
  std::string disk_ = bytes(path_), synced_ = bytes(mirror_path(path_));
  std::map<std::string, Noted> noted_, noted_at_sync_;
  std::vector<std::pair<std::string, JournalSlot>> running_;
  TimePoint now_ = kStart;
  int last_ = 100'000;
};

TEST(JournalAndItsMirror, LoseNothingThatWasSyncedWhateverPagesReachedTheDisk) {
  const bool held = rc::check([] {
    Work work;
    const int steps = *rc::gen::inRange(1, 400);
    for (int i = 0; i < steps; ++i) work.step();
    work.lose_power();
    work.check();
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace millrace::ledger
