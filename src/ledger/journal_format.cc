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

/// Texts that lie one after another, with lengths within bounds.
template <std::size_t Count, std::size_t Bytes>
Result<std::array<std::string_view, Count>> texts_of(const std::array<std::uint8_t, Count>& lengths,
                                                     const std::array<std::uint8_t, Count>& longest,
                                                     const std::array<char, Bytes>& text) {
  std::array<std::string_view, Count> texts;
  std::size_t at = 0;
  for (std::size_t i = 0; i < Count; ++i) {
    const std::size_t length = lengths[i];
    if (length > longest[i] || at + length > Bytes) {
      return corrupt(fmt::format("text {} is {} bytes long", i, length));
    }
    texts[i] = {text.data() + at, length};
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
      slot.cached_tokens > slot.input_tokens || slot.reasoning_tokens < 0 ||
      slot.reasoning_tokens > slot.output_tokens) {
    return corrupt("a token count is out of range");
  }
  if (slot.energy_uj < kEnergyUnknown) return corrupt("the energy is out of range");
  return {};
}

Result<RequestContext> read_context(const ContextData& data) {
  if (data.price_version < 0 || data.input_microeur_per_mtok < 0 || data.output_microeur_per_mtok < 0) {
    return corrupt("a price is out of range");
  }
  if (!std::isfinite(data.intensity_g_per_kwh) || data.intensity_g_per_kwh < 0 ||
      data.intensity_g_per_kwh > 1e6) {
    return corrupt("the carbon intensity is out of range");
  }
  const auto texts = TRY(texts_of(data.text_length, kContextTextMax, data.text));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!host::is_utf8(texts[i])) return corrupt(fmt::format("text {} is not UTF-8", i));
  }
  const auto text = [&](ContextText which) { return std::string(texts[static_cast<std::size_t>(which)]); };
  RequestContext context{.shared = {},
                         .intensity_g_per_kwh = data.intensity_g_per_kwh,
                         .input_microeur_per_mtok = data.input_microeur_per_mtok,
                         .output_microeur_per_mtok = data.output_microeur_per_mtok};
  store::UsageRecord& shared = context.shared;
  shared.tenant = text(ContextText::kTenant);
  shared.project = text(ContextText::kProject);
  shared.key_id = text(ContextText::kKeyId);
  shared.endpoint = text(ContextText::kEndpoint);
  shared.model = text(ContextText::kModel);
  shared.site = text(ContextText::kSite);
  shared.zone = text(ContextText::kZone);
  shared.energy_model = text(ContextText::kEnergyModel);
  shared.basis = text(ContextText::kBasis);
  shared.price_version = data.price_version;
  return context;
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
  const JournalLayout layout(slots);
  if (bytes.size() != layout.bytes) {
    return corrupt(fmt::format("journal: {} bytes, but {} slots take {}", bytes.size(), slots, layout.bytes));
  }
  if (header->id_length > sizeof header->id || !is_id({header->id, header->id_length})) {
    return corrupt("journal: its id is malformed");
  }
  return JournalView(header, reinterpret_cast<std::uint32_t*>(bytes.data() + layout.states),
                     reinterpret_cast<SlotData*>(bytes.data() + layout.slots),
                     reinterpret_cast<const ContextData*>(bytes.data() + layout.contexts));
}

std::uint64_t JournalView::settled() const {
  return std::atomic_ref(header_->settled).load(std::memory_order_acquire);
}

SlotState JournalView::state(std::uint32_t slot) const {
  return static_cast<SlotState>(std::atomic_ref(states_[slot]).load(std::memory_order_acquire));
}

bool JournalView::same_request(const JournalView& other, std::uint32_t slot) const {
  const SlotData& here = slots_[slot];
  const SlotData& there = other.slots_[slot];
  return here.started_at_us == there.started_at_us && here.context == there.context &&
         here.text_length == there.text_length && here.text == there.text;
}

void JournalView::free(std::uint32_t slot) {
  std::atomic_ref(states_[slot])
      .store(static_cast<std::uint32_t>(SlotState::kFree), std::memory_order_release);
}

Result<void> JournalView::read(std::uint32_t slot, Contexts& seen, store::UsageRecord& into) const {
  const SlotData data = slots_[slot];
  const SlotState now = state(slot);
  if (now != SlotState::kOpen && now != SlotState::kSettled) return corrupt("its state is unknown");
  TRY_VOID(check_numbers(data));
  const auto [request_id, client_request_id] = TRY(texts_of(data.text_length, kSlotTextMax, data.text));
  if (!is_id(request_id)) return corrupt("its request id is malformed");
  if (data.context >= slots()) return corrupt(fmt::format("it names context {}", data.context));
  auto known = seen.find(data.context);
  if (known == seen.end()) {
    auto context = read_context(contexts_[data.context]);
    if (!context) return corrupt(fmt::format("context {}: {}", data.context, context.error().message));
    known = seen.emplace(data.context, *std::move(context)).first;
  }
  const RequestContext& context = known->second;

  into = context.shared;
  into.request_id = request_id;
  // The client's own, whatever bytes it sent: no reason to lose what it used.
  into.client_request_id = host::is_utf8(client_request_id) ? client_request_id : std::string_view();
  if (now == SlotState::kSettled) {
    if (data.status < 1 || data.status > 3) return corrupt("its status is unknown");
    into.status = static_cast<store::UsageStatus>(data.status);
  } else {
    into.status = store::UsageStatus::kFailed;
  }
  into.input_tokens = data.input_tokens;
  into.cached_tokens = data.cached_tokens;
  into.output_tokens = data.output_tokens;
  into.reasoning_tokens = data.reasoning_tokens;
  if (data.energy_uj != kEnergyUnknown) {
    into.energy_uj = data.energy_uj;
    into.co2e_ug = energy::co2e_ug(data.energy_uj, context.intensity_g_per_kwh);
  }
  into.cost_microeur =
      energy::cost_microeur(data.input_tokens, data.output_tokens, context.input_microeur_per_mtok,
                            context.output_microeur_per_mtok);
  into.started_at = time_of(data.started_at_us);
  into.ended_at = time_of(std::max(data.started_at_us, data.updated_at_us));
  return {};
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
