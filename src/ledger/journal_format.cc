#include "ledger/journal_format.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "energy/carbon.h"
#include "energy/cost.h"
#include "host/utf8.h"

namespace millrace::ledger {
namespace {

std::unexpected<Error> corrupt(std::string message) {
  return failure(ErrorCode::kCorrupt, std::move(message));
}

bool is_id(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
  });
}

/// The texts of a slot, checked: lengths within bounds, all of it UTF-8.
Result<std::array<std::string_view, kTextMax.size()>> texts_of(const SlotData& slot) {
  std::array<std::string_view, kTextMax.size()> texts;
  std::size_t at = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::size_t length = slot.text_length[i];
    if (length > kTextMax[i] || at + length > sizeof slot.text) {
      return corrupt(fmt::format("text {} is {} bytes long", i, length));
    }
    texts[i] = {slot.text + at, length};
    if (!host::is_utf8(texts[i])) return corrupt(fmt::format("text {} is not UTF-8", i));
    at += length;
  }
  return texts;
}

Result<void> check_numbers(const SlotData& slot) {
  // Times between 2000 and 2200: outside of it the bytes were never written by a gateway.
  constexpr std::int64_t kEarliest = 946'684'800'000'000, kLatest = 7'258'118'400'000'000;
  const auto is_time = [](std::int64_t us) { return us >= kEarliest && us <= kLatest; };
  if (!is_time(slot.started_at_us) || !is_time(slot.updated_at_us)) return corrupt("a time is out of range");
  if (slot.input_tokens < 0 || slot.output_tokens < 0 || slot.cached_tokens < 0 ||
      slot.cached_tokens > slot.input_tokens) {
    return corrupt("a token count is out of range");
  }
  if (slot.energy_uj < kEnergyUnknown) return corrupt("the energy is out of range");
  if (slot.price_version < 0 || slot.input_microeur_per_mtok < 0 || slot.output_microeur_per_mtok < 0) {
    return corrupt("a price is out of range");
  }
  if (!std::isfinite(slot.intensity_g_per_kwh) || slot.intensity_g_per_kwh < 0 ||
      slot.intensity_g_per_kwh > 1e6) {
    return corrupt("the carbon intensity is out of range");
  }
  return {};
}

TimePoint time_of(std::int64_t us) { return TimePoint{std::chrono::microseconds{us}}; }

}  // namespace

Result<JournalView> JournalView::of(std::span<std::uint8_t> bytes) {
  if (bytes.size() < kPage) return corrupt(fmt::format("journal: {} bytes are no header", bytes.size()));
  auto* header = reinterpret_cast<JournalHeader*>(bytes.data());
  if (header->magic != kJournalMagic) return corrupt("journal: the first bytes are not a journal's");
  if (header->version > kJournalVersion) {
    return failure(ErrorCode::kConflict,
                   fmt::format("journal: version {} is newer than this program's {}: install the "
                               "newer Millrace again",
                               header->version, kJournalVersion));
  }
  if (header->version != kJournalVersion) return corrupt(fmt::format("journal: version {}", header->version));
  const std::uint32_t slots = header->slot_count;
  if (header->slot_bytes != sizeof(SlotData) || slots < kMinSlots || slots > kMaxSlots) {
    return corrupt(fmt::format("journal: {} slots of {} bytes", slots, header->slot_bytes));
  }
  if (bytes.size() != journal_bytes(slots)) {
    return corrupt(
        fmt::format("journal: {} bytes, but {} slots take {}", bytes.size(), slots, journal_bytes(slots)));
  }
  if (header->id_length > sizeof header->id || !is_id({header->id, header->id_length})) {
    return corrupt("journal: its id is malformed");
  }
  auto* states = reinterpret_cast<std::uint32_t*>(bytes.data() + kPage);
  auto* data = reinterpret_cast<SlotData*>(bytes.data() + kPage + states_bytes(slots));
  return JournalView(header, states, data);
}

std::uint64_t JournalView::settled() const {
  return std::atomic_ref(header_->settled).load(std::memory_order_acquire);
}

SlotState JournalView::state(std::uint32_t slot) const {
  return static_cast<SlotState>(std::atomic_ref(states_[slot]).load(std::memory_order_acquire));
}

void JournalView::free(std::uint32_t slot) {
  std::atomic_ref(states_[slot])
      .store(static_cast<std::uint32_t>(SlotState::kFree), std::memory_order_release);
}

Result<store::UsageRecord> JournalView::record(std::uint32_t slot) const {
  const SlotData data = slots_[slot];
  const SlotState now = state(slot);
  if (now != SlotState::kOpen && now != SlotState::kSettled) return corrupt("its state is unknown");
  TRY_VOID(check_numbers(data));
  const auto texts = TRY(texts_of(data));
  const auto text = [&](SlotText which) { return std::string(texts[static_cast<std::size_t>(which)]); };

  store::UsageRecord record;
  record.request_id = text(SlotText::kRequestId);
  if (!is_id(record.request_id)) return corrupt("its request id is malformed");
  record.client_request_id = text(SlotText::kClientRequestId);
  record.tenant = text(SlotText::kTenant);
  record.project = text(SlotText::kProject);
  record.key_id = text(SlotText::kKeyId);
  record.endpoint = text(SlotText::kEndpoint);
  record.model = text(SlotText::kModel);
  record.site = text(SlotText::kSite);
  record.zone = text(SlotText::kZone);
  record.energy_model = text(SlotText::kEnergyModel);
  record.basis = text(SlotText::kBasis);
  if (now == SlotState::kSettled) {
    if (data.status < 1 || data.status > 3) return corrupt("its status is unknown");
    record.status = static_cast<store::UsageStatus>(data.status);
  } else {
    record.status = store::UsageStatus::kFailed;
  }
  record.input_tokens = data.input_tokens;
  record.cached_tokens = data.cached_tokens;
  record.output_tokens = data.output_tokens;
  if (data.energy_uj != kEnergyUnknown) {
    record.energy_uj = data.energy_uj;
    record.co2e_ug = energy::co2e_ug(data.energy_uj, data.intensity_g_per_kwh);
  }
  record.price_version = data.price_version;
  record.cost_microeur = energy::cost_microeur(data.input_tokens, data.output_tokens,
                                               data.input_microeur_per_mtok, data.output_microeur_per_mtok);
  record.started_at = time_of(data.started_at_us);
  record.ended_at = time_of(std::max(data.started_at_us, data.updated_at_us));
  return record;
}

Result<MappedFile> MappedFile::map(host::Fd fd, const std::string& path) {
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return std::unexpected(errno_error("stat " + path, errno));
  if (info.st_size <= 0) return corrupt(fmt::format("map {}: the file is empty", path));
  const auto size = static_cast<std::size_t>(info.st_size);
  void* base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (base == MAP_FAILED) return std::unexpected(errno_error("map " + path, errno));
  return MappedFile(std::move(fd), {static_cast<std::uint8_t*>(base), size});
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : fd_(std::move(other.fd_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

}  // namespace millrace::ledger
