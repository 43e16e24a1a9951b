// JournalMirror: a second file with a journal's bytes, for power loss: what changed is copied there in groups and synced.
//
// The journal itself is never synced. That would make each changed page read-only until its next write faults, and tell
// every processor of it by an interrupt: 6 % of a busy gateway's CPU time (docs/benchmarks.md), where copying takes 1 %.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "host/fd.h"
#include "ledger/journal_format.h"

namespace millrace::ledger {

inline constexpr std::string_view kMirrorSuffix = ".mirror";
/// The mirror of the journal at `path`.
inline std::string mirror_path(std::string path) { return path.append(kMirrorSuffix); }

/// One thread marks; one thread at a time copies.
class JournalMirror {
 public:
  /// Creates the file at `path`, as the journal's bytes are now, durable on return. `journal` must outlive the mirror.
  static Result<std::unique_ptr<JournalMirror>> create(const std::string& path,
                                                       std::span<std::uint8_t> journal, std::uint32_t slots);

  /// Call it after the change.
  void slot_changed(std::uint32_t slot) { mark(slots_, slot / kSlotsOfGroup); }
  /// Before a slot names it.
  void context_changed(std::uint32_t context) {
    mark(contexts_, context / kContextsOfGroup);
    std::atomic_thread_fence(std::memory_order_release);
  }

  /// Copies and syncs what was marked before the call; false if no slot was. A slot's context is durable before the slot.
  /// Stops the process if the disk refuses.
  bool sync();

  int fd() const { return fd_.get(); }

 private:
  /// So that a group of slots, and one of contexts, is whole pages.
  static constexpr std::uint32_t kSlotsOfGroup = 64, kContextsOfGroup = 8;
  using Marks = std::vector<std::atomic<std::uint8_t>>;
  JournalMirror(host::Fd fd, std::string path, std::span<std::uint8_t> journal, std::uint32_t slots);
  static void mark(Marks& marks, std::uint32_t group) { marks[group].store(1, std::memory_order_release); }
  void sync_contexts();
  template <typename Copy>
  bool each_run(Marks& marks, std::size_t of_group, const Copy& copy);
  template <typename BeforeWrite>
  void copy(std::size_t at, std::size_t bytes, const BeforeWrite& before_write);
  void write(std::size_t at, std::span<const std::uint8_t> bytes) const;
  void flush() const;

  const host::Fd fd_;
  const std::string path_;
  const std::span<std::uint8_t> journal_;
  const std::uint32_t slot_count_;
  const JournalLayout layout_;
  Marks slots_, contexts_;  // by group
};

}  // namespace millrace::ledger
