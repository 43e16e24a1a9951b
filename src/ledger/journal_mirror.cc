#include "ledger/journal_mirror.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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
  mirror->copy(0, mirror->layout_.contexts, [] {});
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
  return each_run(slots_, kSlotsOfGroup, [this](std::size_t first, std::size_t count) {
    copy(layout_.slots + first * sizeof(SlotData), count * sizeof(SlotData), [this] { sync_contexts(); });
    copy(layout_.states + first * sizeof(std::uint32_t), count * sizeof(std::uint32_t), [] {});
  });
}

void JournalMirror::sync_contexts() {
  each_run(contexts_, kContextsOfGroup, [this](std::size_t first, std::size_t count) {
    copy(layout_.contexts + first * sizeof(ContextData), count * sizeof(ContextData), [] {});
  });
}

template <typename Copy>
bool JournalMirror::each_run(Marks& marks, std::size_t of_group, const Copy& copy) {
  bool any = false;
  for (Run run = take_run(marks, 0); run.first < run.end; run = take_run(marks, run.end)) {
    const std::size_t first = run.first * of_group;
    copy(first, std::min<std::size_t>(run.end * of_group, slot_count_) - first);
    any = true;
  }
  if (any) flush();
  return any;
}

/// `before_write` is called between reading a piece and writing it.
template <typename BeforeWrite>
void JournalMirror::copy(std::size_t at, std::size_t bytes, const BeforeWrite& before_write) {
  std::array<std::uint8_t, 64 * 1024> piece;
  for (const std::size_t end = at + bytes; at < end;) {
    const std::size_t size = std::min(piece.size(), end - at);
    load_words(piece.data(), journal_.data() + at, size);
    // With the fence in context_changed: whoever reads a slot here finds the mark of its context.
    std::atomic_thread_fence(std::memory_order_acquire);
    before_write();
    write(at, std::span(piece).first(size));
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
