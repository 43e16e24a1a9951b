// Any bytes as a journal: read every slot, or be told what is wrong. A valid header is put over the input in most runs,
// so that slots are reached.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "ledger/journal_format.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace millrace::ledger;
  constexpr JournalLayout kLayout(kMinSlots);
  const std::size_t whole = kLayout.bytes;
  const bool raw = size > 0 && data[0] == 0;
  const std::size_t bytes = raw ? size : whole;
  if (bytes == 0) return 0;
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  const std::unique_ptr<std::uint8_t, Free> memory(
      static_cast<std::uint8_t*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)));
  std::memset(memory.get(), 0, (bytes + 63) / 64 * 64);
  if (raw) {
    std::memcpy(memory.get(), data, size);
  } else {
    JournalHeader header;
    header.magic = kJournalMagic;
    header.version = kJournalVersion;
    header.slot_bytes = sizeof(SlotData);
    header.slot_count = kMinSlots;
    header.id_length = 1;
    header.id[0] = 'j';
    std::memcpy(memory.get(), &header, sizeof header);
    // The input fills one slot and then the first context, and its first bytes say in what state the slot is.
    if (size > 2) {
      const std::uint32_t state = data[1] % 4;
      std::memcpy(memory.get() + kLayout.states, &state, sizeof state);
      const std::size_t slot = std::min(size - 2, sizeof(SlotData));
      std::memcpy(memory.get() + kLayout.slots, data + 2, slot);
      std::memcpy(memory.get() + kLayout.contexts, data + 2 + slot,
                  std::min(size - 2 - slot, sizeof(ContextData)));
    }
  }
  auto view = JournalView::of({memory.get(), bytes});
  if (!view) return view.error().message.empty() ? (std::abort(), 0) : 0;
  JournalView::Contexts contexts;
  millrace::store::UsageRecord record;
  for (std::uint32_t slot = 0; slot < view->slots(); ++slot) {
    const auto read = view->read(slot, contexts, record);
    if (!read && read.error().message.empty()) std::abort();
    if (read && (record.request_id.empty() || record.cached_tokens > record.input_tokens ||
                 record.reasoning_tokens > record.output_tokens || record.ended_at < record.started_at ||
                 record.cost_microeur < 0)) {
      std::abort();
    }
    if (view->state(slot) == SlotState::kSettled) view->free(slot);
  }
  return 0;
}
