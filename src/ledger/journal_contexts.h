// JournalContexts: the writing side of a journal's contexts: what many requests share is written once.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ledger/journal_format.h"

namespace millrace::ledger {

/// One thread. The bytes are the journal's and outlive it.
class JournalContexts {
 public:
  /// Sets those to true that a slot in use names.
  using MarkUsed = std::function<void(std::vector<bool>&)>;
  /// Told the number of each context that was written.
  using Written = std::function<void(std::uint32_t)>;
  JournalContexts(std::span<ContextData> contexts, MarkUsed mark_used, Written written);

  /// The number of the context that says what `request` shares with others, which is written if there is none. nullopt
  /// if there is no room: each one is named by a slot in use, which cannot be while a slot is free.
  std::optional<std::uint32_t> of(const OpenRequest& request);

 private:
  std::optional<std::uint32_t> take_free();
  const std::span<ContextData> contexts_;
  const MarkUsed mark_used_;
  const Written written_;
  std::unordered_map<std::string_view, std::uint32_t> known_;  // by their bytes, in place
  std::vector<std::uint32_t> free_;                            // never written, or named by no slot any more
  std::optional<std::uint32_t> last_;
};

}  // namespace millrace::ledger
