#include "ledger/journal_mirror.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "host/fatal.h"
#include "ledger/journal_words.h"

namespace millrace::ledger {
namespace {

struct Run {
  std::size_t first = 0, end = 0;  // groups
};

/// Takes the marks of the next groups that are marked and lie side by side, from `from` on; empty at the end.
Run take_run(std::vector<std::atomic<std::uint8_t>>& marks, std::size_t from) {
  const auto take = [&](std::size_t group) {
    // Looked at before it is taken: most are unmarked, and a look leaves the cache line with the thread that marks.
    return marks[group].load(std::memory_order_relaxed) != 0 &&
           marks[group].exchange(0, std::memory_order_acquire) != 0;
  };
  while (from < marks.size() && !take(from)) ++from;
  std::size_t end = std::min(from + 1, marks.size());
  while (end < marks.size() && take(end)) ++end;
  return {from, end};
}

}  // namespace

Result<std::unique_ptr<JournalMirror>> JournalMirror::create(const std::string& path,
                                                             std::span<std::uint8_t> journal,
                                                             std::uint32_t slots) {
  host::Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return std::unexpected(errno_error("create the journal's mirror " + path, errno));
  if (const int problem = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(journal.size())); problem != 0) {
    return std::unexpected(
        errno_error(fmt::format("reserve {} bytes for {}", journal.size(), path), problem));
  }
  std::unique_ptr<JournalMirror> mirror(new JournalMirror(std::move(fd), path, journal, slots));
  mirror->copy(0, mirror->layout_.contexts);
  mirror->flush();
  return mirror;
}

JournalMirror::JournalMirror(host::Fd fd, std::string path, std::span<std::uint8_t> journal,
                             std::uint32_t slots)
    : fd_(std::move(fd)),
      path_(std::move(path)),
      journal_(journal),
      slot_count_(slots),
      layout_(slots),
      slots_((slots + kSlotsOfGroup - 1) / kSlotsOfGroup),
      contexts_((slots + kContextsOfGroup - 1) / kContextsOfGroup) {}

bool JournalMirror::sync() {
  const bool contexts = sync_contexts();
  return sync_slots() || contexts;
}

bool JournalMirror::sync_contexts() {
  bool any = false;
  for (Run run = take_run(contexts_, 0); run.first < run.end; run = take_run(contexts_, run.end)) {
    const std::size_t end = std::min<std::size_t>(run.end * kContextsOfGroup, slot_count_);
    const std::size_t first = run.first * kContextsOfGroup;
    copy(layout_.contexts + first * sizeof(ContextData), (end - first) * sizeof(ContextData));
    any = true;
  }
  if (any) flush();
  return any;
}

bool JournalMirror::sync_slots() {
  bool any = false;
  for (Run run = take_run(slots_, 0); run.first < run.end; run = take_run(slots_, run.end)) {
    const std::size_t end = std::min<std::size_t>(run.end * kSlotsOfGroup, slot_count_);
    const std::size_t first = run.first * kSlotsOfGroup;
    copy(layout_.slots + first * sizeof(SlotData), (end - first) * sizeof(SlotData));
    copy(layout_.states + first * sizeof(std::uint32_t), (end - first) * sizeof(std::uint32_t));
    any = true;
  }
  if (any) flush();
  return any;
}

void JournalMirror::copy(std::size_t at, std::size_t bytes) {
  for (const std::size_t end = at + bytes; at < end;) {
    const std::size_t size = std::min(room_.size(), end - at);
    load_words(room_.data(), journal_.data() + at, size);
    write(at, std::span(room_).first(size));
    at += size;
  }
}

void JournalMirror::write(std::size_t at, std::span<const std::uint8_t> bytes) const {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) host::fatal(errno_error("write the journal's mirror " + path_, errno).message);
    at += static_cast<std::size_t>(wrote);
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
}

void JournalMirror::flush() const {
  if (::fdatasync(fd_.get()) != 0) {
    host::fatal(errno_error("sync the journal's mirror " + path_, errno).message);
  }
}

}  // namespace millrace::ledger
