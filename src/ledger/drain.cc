#include "ledger/drain.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "host/boot.h"
#include "host/file.h"
#include "ledger/journal_format.h"
#include "ledger/journal_mirror.h"

namespace millrace::ledger {
namespace {
constexpr std::size_t kBatch = 8192;  // records of one transaction
constexpr std::int64_t kAbandonedAfter_s = 60;

/// Whether, after power loss, the mirror tells more of this slot than the journal. The mirror is as of the last sync and
/// whole; of the journal's pages each is as old as it happens to be. A request that either has and the other has no more
/// was drained before its slot was given to the next: the usage table knows it.
bool knows_more(const JournalView& mirror, const JournalView& journal, std::uint32_t slot) {
  if (!mirror.in_use(slot)) return false;
  if (!journal.in_use(slot)) return true;
  if (!mirror.same_request(journal, slot)) return mirror.started_at_us(slot) >= journal.started_at_us(slot);
  const auto progress = [slot](const JournalView& view) {
    return std::pair(view.state(slot) == SlotState::kSettled, view.updated_at_us(slot));
  };
  return progress(mirror) > progress(journal);
}

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
  std::optional<MappedFile> mirror_file;  // once it is dead
  std::optional<JournalView> mirror;
  bool dead = false;  // its lock is ours: nobody writes any more
  bool removed = false;
  bool damaged = false;
};

/// A slot to be read, from the journal or its mirror.
struct JournalDrain::Taken {
  JournalView* view = nullptr;
  std::uint32_t slot = 0;
  std::int64_t started_at_us = 0;
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
    if (name.ends_with(kMirrorSuffix) && !host::exists(path.substr(0, path.size() - kMirrorSuffix.size()))) {
      remove_abandoned(path);
    }
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
  const std::string mirror = mirror_path(path);
  if (moved && host::exists(mirror)) {
    static_cast<void>(::rename(mirror.c_str(), (mirror + ".damaged").c_str()));
  }
  report.damage.push_back(
      fmt::format("{}: {}; {}", path, why, moved ? "kept as " + aside : "and it could not be renamed"));
  if (!moved) refused_.insert(path.substr(path.rfind('/') + 1));
}

/// A gateway that was killed while it created its journal leaves this, or a server killed between removing a journal and
/// its mirror; one that is creating it now is younger.
void JournalDrain::remove_abandoned(const std::string& path) const {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return;
  const auto now_s =
      std::chrono::duration_cast<std::chrono::seconds>(clock_.now().time_since_epoch()).count();
  if (now_s - info.st_mtime > kAbandonedAfter_s) ::unlink(path.c_str());
}

/// Only after the machine was started anew: until then all that was written to the journal is in it, on disk or not. A
/// mirror that cannot be read is told of, and the journal alone counts.
Result<void> JournalDrain::find_mirror(OpenJournal& journal, Report& report) {
  if (journal.view.boot_id() == TRY(host::boot_id())) return {};
  const std::string path = mirror_path(journal.path);
  host::Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno == ENOENT) return {};
  auto file = fd ? MappedFile::map(std::move(fd), path)
                 : std::unexpected(errno_error("open the journal's mirror " + path, errno));
  auto view = file ? JournalView::of(file->bytes()) : std::unexpected(file.error());
  if (view && (view->id() != journal.view.id() || view->slots() != journal.view.slots())) {
    view = failure(ErrorCode::kCorrupt, "it is another journal's");
  }
  if (!view) {
    report.damage.push_back(fmt::format("{}: {}", path, view.error().message));
    return {};
  }
  journal.mirror_file.emplace(*std::move(file));
  journal.mirror.emplace(*view);
  return {};
}

/// In the order of their start, in which the keys of the usage table grow: it is appended to, not inserted into.
std::vector<JournalDrain::Taken> JournalDrain::slots_to_take(OpenJournal& journal) {
  std::vector<Taken> taken;
  for (std::uint32_t slot = 0; slot < journal.view.slots(); ++slot) {
    JournalView* view = &journal.view;
    if (journal.mirror && knows_more(*journal.mirror, *view, slot)) view = &*journal.mirror;
    const SlotState state = view->state(slot);
    if (state == SlotState::kSettled || (state != SlotState::kFree && journal.dead)) {
      taken.push_back({view, slot, view->started_at_us(slot)});
    }
  }
  std::ranges::sort(taken, {}, &Taken::started_at_us);
  return taken;
}

Result<void> JournalDrain::drain_one(OpenJournal& journal, Records& records, Report& report) {
  if (!journal.dead && ::flock(journal.file.fd(), LOCK_EX | LOCK_NB) == 0) {
    TRY_VOID(find_mirror(journal, report));
    journal.dead = true;
  }
  JournalView& view = journal.view;
  const std::uint64_t through = view.settled();
  std::size_t durable = records.size();
  std::vector<Taken> taken;
  JournalView::Contexts contexts, mirror_contexts;
  const auto flush = [&]() -> Result<void> {
    const auto batch = records.from(durable);
    const std::int64_t added = TRY(table_.append(batch));
    if (added != static_cast<std::int64_t>(batch.size())) report.some_were_known = true;
    for (const Taken& done : taken) done.view->free(done.slot);
    durable = records.size();
    taken.clear();
    return {};
  };
  const auto read = [&](const Taken& from, store::UsageRecord& into) {
    return from.view->read(from.slot, from.view == &view ? contexts : mirror_contexts, into);
  };
  for (Taken next : slots_to_take(journal)) {
    store::UsageRecord& record = records.add();
    auto done = read(next, record);
    if (!done && journal.mirror && next.view == &view && journal.mirror->in_use(next.slot)) {
      // Pages of different age in one slot.
      next.view = &*journal.mirror;
      done = read(next, record);
    }
    if (!done) {
      records.drop_last();
      journal.damaged = true;
      report.damage.push_back(fmt::format("{}: slot {}: {}", journal.path, next.slot, done.error().message));
      // A gone gateway's file is kept with these bytes in it; a living one needs the slot back.
      if (journal.dead) continue;
    }
    taken.push_back(next);
    if (records.size() - durable == kBatch) TRY_VOID(flush());
  }
  TRY_VOID(flush());
  if (journal.dead) {
    if (journal.damaged) {
      set_aside(journal.path, "some of its slots are no records", report);
    } else if (::unlink(journal.path.c_str()) != 0 && errno != ENOENT) {
      return std::unexpected(errno_error("remove journal " + journal.path, errno));
    } else {
      ::unlink(mirror_path(journal.path).c_str());
    }
    journal.removed = true;
  }
  report.journals.push_back({std::string(view.id()), through, journal.dead});
  return {};
}

}  // namespace millrace::ledger
