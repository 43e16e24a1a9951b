// The bytes of a journal file, version 2, and their strict reading: after a crash or power loss nothing in them is
// taken on trust.
//
//   0      header (4096 bytes)
//   4096   one state word (u32) a slot, padded to 4096
//   ...    slots of 192 bytes, padded to 4096: what is a request's own
//   ...    contexts of 512 bytes, as many as slots: what many requests share, written once, named by their slots
//
// A context stays as it is while a slot in use names it; after that another may take its place.
//
// Beside it lies its mirror, FILE.mirror, with the same bytes as of the last sync (journal_mirror.h).
//
// All integers are in the machine's byte order (the file never leaves the machine; the magic tells it).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/result.h"
#include "host/fd.h"
#include "ledger/journal.h"
#include "store/usage_table.h"

namespace millrace::ledger {

inline constexpr std::uint64_t kJournalMagic = 0x31304C4E524A524DULL;  // "MRJRNL01"
inline constexpr std::uint32_t kJournalVersion = 2;
inline constexpr std::uint32_t kMinSlots = 16, kMaxSlots = 1u << 20;
inline constexpr std::size_t kPage = 4096;

enum class SlotState : std::uint32_t { kFree = 0, kOpen = 1, kSettled = 2 };

struct alignas(64) JournalHeader {
  std::uint64_t magic = 0;
  std::uint32_t version = 0;
  std::uint32_t slot_bytes = 0;
  std::uint32_t slot_count = 0;
  std::uint8_t id_length = 0;
  char id[40] = {};
  // On a cache line of its own: the drain reads it while the gateway writes.
  alignas(64) std::uint64_t settled = 0;
  // Of the machine's start in which it was written (host/boot.h); zeros, as in older files: there is no mirror.
  std::array<char, 36> boot_id = {};
};
static_assert(sizeof(JournalHeader) <= kPage);

/// The texts of a context, in this order, one after another in ContextData::text.
enum class ContextText : std::uint8_t {
  kTenant,
  kProject,
  kKeyId,
  kEndpoint,
  kModel,
  kSite,
  kZone,
  kEnergyModel,
  kBasis,
};
inline constexpr std::array<std::uint8_t, 9> kContextTextMax = {63, 63, 40, 63, 63, 63, 24, 40, 12};
inline constexpr std::size_t kContextTextBytes = 471;

struct alignas(64) ContextData {
  double intensity_g_per_kwh = 0;
  std::int64_t price_version = 0;
  std::int64_t input_microeur_per_mtok = 0;
  std::int64_t output_microeur_per_mtok = 0;
  std::array<std::uint8_t, kContextTextMax.size()> text_length = {};
  std::array<char, kContextTextBytes> text = {};
};
static_assert(sizeof(ContextData) == 512);

/// The texts of a slot: the request's id, then the client's, one after another in SlotData::text.
inline constexpr std::array<std::uint8_t, 2> kSlotTextMax = {40, 64};

struct alignas(64) SlotData {
  // First cache line: what changes while the request runs.
  std::int64_t updated_at_us = 0;
  std::int64_t input_tokens = 0;
  std::int64_t cached_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t energy_uj = 0;
  std::uint32_t final = 0;   // 1: the figures are final
  std::uint32_t status = 0;  // store::UsageStatus, once settled
  std::int64_t started_at_us = 0;
  std::uint32_t context = 0;  // which one
  std::array<std::uint8_t, kSlotTextMax.size()> text_length = {};
  std::array<char, 104> text = {};
  // In what was padding, zeros, when version 2 began: so old slots say that none was reasoning, and old readers read new ones.
  std::int64_t reasoning_tokens = 0;
};
static_assert(sizeof(SlotData) == 192);
static_assert(offsetof(SlotData, reasoning_tokens) == 168);

/// Where the parts of a journal of so many slots begin, and its size.
struct JournalLayout {
  explicit constexpr JournalLayout(std::uint32_t slot_count)
      : slots(states + whole_pages(slot_count * sizeof(std::uint32_t))),
        contexts(slots + whole_pages(slot_count * sizeof(SlotData))),
        bytes(contexts + slot_count * sizeof(ContextData)) {}
  std::size_t states = kPage;
  std::size_t slots, contexts, bytes;

 private:
  static constexpr std::size_t whole_pages(std::size_t size) { return (size + kPage - 1) / kPage * kPage; }
};

/// What a context says, checked.
struct RequestContext {
  store::UsageRecord shared;  // as records that name it begin
  double intensity_g_per_kwh = 0;
  std::int64_t input_microeur_per_mtok = 0, output_microeur_per_mtok = 0;
};

/// A checked view of a journal's bytes, which stay the caller's. `free` changes them.
class JournalView {
 public:
  /// kCorrupt if the header does not describe these bytes, saying what is wrong; kConflict if the version is newer.
  /// `bytes` must be aligned to 64.
  static Result<JournalView> of(std::span<std::uint8_t> bytes);

  std::string_view id() const { return {header_->id, header_->id_length}; }
  /// Unchecked.
  std::string_view boot_id() const { return {header_->boot_id.data(), header_->boot_id.size()}; }
  std::uint32_t slots() const { return header_->slot_count; }
  /// Settlements made so far. Each of them that was not freed yet is seen by a scan begun after this call.
  std::uint64_t settled() const;
  /// Any number that is not a state is answered as it is.
  SlotState state(std::uint32_t slot) const;
  /// When the request of a slot in use began, unchecked.
  std::int64_t started_at_us(std::uint32_t slot) const { return slots_[slot].started_at_us; }
  /// When it last changed, unchecked.
  std::int64_t updated_at_us(std::uint32_t slot) const { return slots_[slot].updated_at_us; }
  bool in_use(std::uint32_t slot) const {
    return state(slot) == SlotState::kOpen || state(slot) == SlotState::kSettled;
  }
  /// Whether this slot's bytes tell of the same request here and there.
  bool same_request(const JournalView& other, std::uint32_t slot) const;
  /// Contexts read so far, by number. Good for as long as none of the slots that named them is given back.
  using Contexts = std::unordered_map<std::uint32_t, RequestContext>;
  /// Writes the record of a slot that is settled, or open and its gateway gone, over what is in `into` (whose memory it
  /// uses again). kCorrupt if its bytes, or those of its context, cannot be one: `into` then holds anything. Looks for the
  /// context in `seen` first.
  Result<void> read(std::uint32_t slot, Contexts& seen, store::UsageRecord& into) const;
  /// Gives a settled slot back to the gateway, after its record is durable.
  void free(std::uint32_t slot);

 private:
  JournalView(JournalHeader* header, std::uint32_t* states, SlotData* slots, const ContextData* contexts)
      : header_(header), states_(states), slots_(slots), contexts_(contexts) {}
  JournalHeader* header_;
  std::uint32_t* states_;
  SlotData* slots_;
  const ContextData* contexts_;
};

/// A file mapped into memory, shared, and its descriptor; unmapped and closed in the end.
class MappedFile {
 public:
  /// Maps the whole file. kCorrupt if it is empty.
  static Result<MappedFile> map(host::Fd fd, const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) = delete;
  ~MappedFile();

  std::span<std::uint8_t> bytes() const { return bytes_; }
  int fd() const { return fd_.get(); }

 private:
  MappedFile(host::Fd fd, std::span<std::uint8_t> bytes) : fd_(std::move(fd)), bytes_(bytes) {}
  host::Fd fd_;
  std::span<std::uint8_t> bytes_;
};

}  // namespace millrace::ledger
