#include "ledger/drain.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <span>

#include "host/file.h"
#include "ledger/journal_format.h"

namespace millrace::ledger {
namespace {
constexpr std::size_t kBatch = 4096;  // records of one transaction
constexpr std::int64_t kAbandonedAfter_s = 60;
}  // namespace

/// Records in the memory of earlier ones: most of their texts have a place already.
class JournalDrain::Records {
 public:
  explicit Records(std::vector<store::UsageRecord> room) : records_(std::move(room)) {}

  store::UsageRecord& add() {
    if (size_ == records_.size()) records_.emplace_back();
    return records_[size_++];
  }
  void drop_last() { --size_; }
  std::size_t size() const { return size_; }
  std::span<const store::UsageRecord> from(std::size_t first) const {
    return std::span(records_).subspan(first, size_ - first);
  }
  std::vector<store::UsageRecord> take() && {
    records_.resize(size_);
    return std::move(records_);
  }

 private:
  std::vector<store::UsageRecord> records_;
  std::size_t size_ = 0;
};

struct JournalDrain::OpenJournal {
  OpenJournal(MappedFile mapped, JournalView checked, std::string name)
      : file(std::move(mapped)), view(checked), path(std::move(name)) {}
  MappedFile file;
  JournalView view;
  std::string path;
  bool dead = false;  // its lock is ours: nobody writes any more
  bool removed = false;
  bool damaged = false;
};

JournalDrain::JournalDrain(std::string folder, store::UsageTable& table, const Clock& clock)
    : folder_(std::move(folder)), table_(table), clock_(clock) {}
JournalDrain::~JournalDrain() = default;

Result<JournalDrain::Report> JournalDrain::drain(std::vector<store::UsageRecord> room) {
  Report report;
  Records records(std::move(room));
  TRY_VOID(find_new(report));
  for (auto& [name, journal] : open_) TRY_VOID(drain_one(*journal, records, report));
  report.records = std::move(records).take();
  std::erase_if(open_, [](const auto& entry) { return entry.second->removed; });
  return report;
}

Result<void> JournalDrain::find_new(Report& report) {
  auto names = host::list_dir(folder_);
  if (!names) {
    if (names.error().code == ErrorCode::kNotFound) return {};
    return std::unexpected(std::move(names.error()));
  }
  for (const auto& name : *names) {
    const std::string path = folder_ + "/" + name;
    if (name.ends_with(".mrj.tmp")) remove_abandoned(path);
    if (!name.ends_with(".mrj") || open_.contains(name) || refused_.contains(name)) continue;
    host::Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return std::unexpected(errno_error("open journal " + path, errno));
    auto file = MappedFile::map(std::move(fd), path);
    auto view = file ? JournalView::of(file->bytes()) : std::unexpected(file.error());
    if (view) {
      open_.emplace(name, std::make_unique<OpenJournal>(*std::move(file), *view, path));
    } else if (view.error().code == ErrorCode::kCorrupt) {
      set_aside(path, view.error().message, report);
    } else {
      refused_.insert(name);
      report.damage.push_back(fmt::format("{}: {}", path, view.error().message));
    }
  }
  return {};
}

/// Kept, not removed: what cannot be read now may be evidence later.
void JournalDrain::set_aside(const std::string& path, const std::string& why, Report& report) {
  const std::string aside = path + ".damaged";
  const bool moved = ::rename(path.c_str(), aside.c_str()) == 0;
  report.damage.push_back(
      fmt::format("{}: {}; {}", path, why, moved ? "kept as " + aside : "and it could not be renamed"));
  if (!moved) refused_.insert(path.substr(path.rfind('/') + 1));
}

/// A gateway that was killed while it created its journal leaves this; one that is creating it now is younger.
void JournalDrain::remove_abandoned(const std::string& path) const {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return;
  const auto now_s =
      std::chrono::duration_cast<std::chrono::seconds>(clock_.now().time_since_epoch()).count();
  if (now_s - info.st_mtime > kAbandonedAfter_s) ::unlink(path.c_str());
}

/// In the order of their start, in which the keys of the usage table grow: it is appended to, not inserted into.
std::vector<std::uint32_t> JournalDrain::slots_to_take(const OpenJournal& journal) {
  const JournalView& view = journal.view;
  std::vector<std::uint32_t> slots;
  for (std::uint32_t slot = 0; slot < view.slots(); ++slot) {
    const SlotState state = view.state(slot);
    if (state == SlotState::kSettled || (state != SlotState::kFree && journal.dead)) slots.push_back(slot);
  }
  std::ranges::sort(slots, {}, [&view](std::uint32_t slot) { return view.started_at_us(slot); });
  return slots;
}

Result<void> JournalDrain::drain_one(OpenJournal& journal, Records& records, Report& report) {
  if (!journal.dead) journal.dead = ::flock(journal.file.fd(), LOCK_EX | LOCK_NB) == 0;
  JournalView& view = journal.view;
  const std::uint64_t through = view.settled();
  const std::vector<std::uint32_t> slots = slots_to_take(journal);
  std::size_t durable = records.size();
  std::vector<std::uint32_t> taken;
  JournalView::Contexts contexts;
  const auto flush = [&]() -> Result<void> {
    const auto batch = records.from(durable);
    const std::int64_t added = TRY(table_.append(batch));
    if (added != static_cast<std::int64_t>(batch.size())) report.some_were_known = true;
    for (const std::uint32_t slot : taken) view.free(slot);
    durable = records.size();
    taken.clear();
    return {};
  };
  for (const std::uint32_t slot : slots) {
    if (const auto read = view.read(slot, contexts, records.add()); !read) {
      records.drop_last();
      journal.damaged = true;
      report.damage.push_back(fmt::format("{}: slot {}: {}", journal.path, slot, read.error().message));
      // A gone gateway's file is kept with these bytes in it; a living one needs the slot back.
      if (journal.dead) continue;
    }
    taken.push_back(slot);
    if (records.size() - durable == kBatch) TRY_VOID(flush());
  }
  TRY_VOID(flush());
  if (journal.dead) {
    if (journal.damaged) {
      set_aside(journal.path, "some of its slots are no records", report);
    } else if (::unlink(journal.path.c_str()) != 0 && errno != ENOENT) {
      return std::unexpected(errno_error("remove journal " + journal.path, errno));
    }
    journal.removed = true;
  }
  report.journals.push_back({std::string(view.id()), through, journal.dead});
  return {};
}

}  // namespace millrace::ledger
