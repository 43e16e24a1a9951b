#include "ledger/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "host/boot.h"
#include "host/file.h"
#include "host/scheduling.h"
#include "ledger/journal_contexts.h"
#include "ledger/journal_format.h"
#include "ledger/journal_mirror.h"
#include "ledger/journal_texts.h"
#include "ledger/journal_words.h"

namespace millrace::ledger {
namespace {

constexpr std::size_t kRefill = 256;

std::int64_t us_of(TimePoint time) { return time.time_since_epoch().count(); }

// The stores are relaxed atomics so that the syncing thread and a reader after a crash never see half a number.
template <typename T>
void put(T& to, T value) {
  std::atomic_ref(to).store(value, std::memory_order_relaxed);
}
void raise_to(std::int64_t& to, std::int64_t value) {
  if (value > to) put(to, value);
}

}  // namespace

struct Journal::Map {
  Map(MappedFile mapped, std::string name) : file(std::move(mapped)), path(std::move(name)) {}
  MappedFile file;
  std::string path;
  JournalHeader* header = nullptr;
  std::uint32_t* states = nullptr;
  SlotData* slots = nullptr;
  std::uint32_t count = 0;
  std::unique_ptr<JournalMirror> mirror;
  std::optional<JournalContexts> contexts;

  SlotState state(std::uint32_t slot) const {
    return static_cast<SlotState>(std::atomic_ref(states[slot]).load(std::memory_order_acquire));
  }
  void set_state(std::uint32_t slot, SlotState to) {
    std::atomic_ref(states[slot]).store(static_cast<std::uint32_t>(to), std::memory_order_release);
  }
  void mark_used(std::vector<bool>& used) const {
    for (std::uint32_t slot = 0; slot < count; ++slot) {
      if (state(slot) != SlotState::kFree) used[slots[slot].context] = true;
    }
  }
};

Result<std::unique_ptr<Journal>> Journal::create(const std::string& folder, std::string_view id,
                                                 Options options) {
  if (id.empty() || id.size() > sizeof JournalHeader::id || options.slots < kMinSlots ||
      options.slots > kMaxSlots) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("journal '{}' with {} slots: want an id of 1 to 40 bytes and {} to {} slots",
                               id, options.slots, kMinSlots, kMaxSlots));
  }
  TRY_VOID(host::make_dirs(folder, 0700));
  const std::string path = fmt::format("{}/{}.mrj", folder, id);
  const std::string temporary = path + ".tmp";
  if (host::exists(path))
    return failure(ErrorCode::kConflict, fmt::format("create journal {}: it exists", path));
  // The drain looks at *.mrj only, so the file is complete and locked before it gets that name.
  host::Fd fd = TRY(host::lock_file(temporary));
  const JournalLayout layout(options.slots);
  const auto size = static_cast<off_t>(layout.bytes);
  if (const int problem = ::posix_fallocate(fd.get(), 0, size); problem != 0) {
    ::unlink(temporary.c_str());
    return std::unexpected(errno_error(fmt::format("reserve {} bytes for {}", size, temporary), problem));
  }
  auto map = std::make_unique<Map>(TRY(MappedFile::map(std::move(fd), temporary)), path);
  const auto bytes = map->file.bytes();
  // Touched now, so that a request never waits for a page; contexts are few, and their pages come when they do.
  std::memset(bytes.data(), 0, layout.contexts);
  map->header = new (bytes.data()) JournalHeader;
  map->header->magic = kJournalMagic;
  map->header->version = kJournalVersion;
  map->header->slot_bytes = sizeof(SlotData);
  map->header->slot_count = options.slots;
  map->header->id_length = static_cast<std::uint8_t>(id.size());
  std::memcpy(map->header->id, id.data(), id.size());
  const std::string boot = TRY(host::boot_id());
  boot.copy(map->header->boot_id.data(), map->header->boot_id.size());
  map->count = options.slots;
  map->states = reinterpret_cast<std::uint32_t*>(bytes.data() + layout.states);
  map->slots = reinterpret_cast<SlotData*>(bytes.data() + layout.slots);
  TRY_VOID(JournalView::of(bytes));  // refuses an id that no reader would take
  const std::string mirror = mirror_path(path);
  auto mirrored = JournalMirror::create(mirror, bytes, options.slots);
  if (!mirrored || ::fsync(map->file.fd()) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) {
    auto why = mirrored ? errno_error("create journal " + path, errno) : std::move(mirrored.error());
    ::unlink(temporary.c_str());
    ::unlink(mirror.c_str());
    return std::unexpected(std::move(why));
  }
  TRY_VOID(host::sync_dir(folder));
  map->mirror = *std::move(mirrored);
  map->contexts.emplace(
      std::span(reinterpret_cast<ContextData*>(bytes.data() + layout.contexts), options.slots),
      [self = map.get()](std::vector<bool>& used) { self->mark_used(used); },
      [self = map.get()](std::uint32_t written) { self->mirror->context_changed(written); });
  return std::unique_ptr<Journal>(new Journal(std::string(id), std::move(map), options));
}

Journal::Journal(std::string id, std::unique_ptr<Map> map, Options options)
    : id_(std::move(id)), map_(std::move(map)) {
  free_.reserve(kRefill);
  syncer_ = std::thread([this, interval = options.sync_interval] { sync_loop(interval); });
}

Journal::~Journal() {
  {
    const std::lock_guard lock(stop_mutex_);
    stop_ = true;
  }
  stop_changed_.notify_all();
  syncer_.join();
}

bool Journal::find_free() {
  // Lowest first: the part of the file in use stays small, so few pages are dirty and hot. Taken in reverse below.
  for (std::uint32_t slot = 0; slot < map_->count && free_.size() < kRefill; ++slot) {
    if (map_->state(slot) == SlotState::kFree) free_.push_back(slot);
  }
  std::ranges::reverse(free_);
  return !free_.empty();
}

std::optional<JournalSlot> Journal::open(const OpenRequest& request) {
  if (request.request_id.empty() || (free_.empty() && !find_free())) return std::nullopt;
  const auto context = map_->contexts->of(request);
  if (!context) return std::nullopt;
  const std::uint32_t index = free_.back();
  free_.pop_back();
  SlotData fresh;
  fresh.updated_at_us = us_of(request.started_at);
  fresh.energy_uj = kEnergyUnknown;
  fresh.started_at_us = us_of(request.started_at);
  fresh.context = *context;
  write_texts<kSlotTextMax.size()>({request.request_id, request.client_request_id}, kSlotTextMax,
                                   fresh.text_length, fresh.text);
  store_words(&map_->slots[index], &fresh, sizeof fresh);
  map_->set_state(index, SlotState::kOpen);
  ++open_count_;
  map_->mirror->slot_changed(index);
  return JournalSlot{index};
}

void Journal::update(JournalSlot slot, const Figures& figures, TimePoint now) {
  SlotData& data = map_->slots[slot.index];
  if (data.final != 0) return;
  // Input before cached, output before reasoning: whoever reads in between never finds a part above its whole.
  raise_to(data.input_tokens, figures.input_tokens);
  raise_to(data.cached_tokens, std::min(figures.cached_tokens, data.input_tokens));
  raise_to(data.output_tokens, figures.output_tokens);
  raise_to(data.reasoning_tokens, std::min(figures.reasoning_tokens, data.output_tokens));
  raise_to(data.energy_uj, figures.energy_uj);
  raise_to(data.updated_at_us, us_of(now));
  map_->mirror->slot_changed(slot.index);
}

void Journal::finalise(JournalSlot slot, const Figures& figures, TimePoint now) {
  SlotData& data = map_->slots[slot.index];
  if (data.final != 0) return;
  put(data.cached_tokens, std::int64_t{0});
  put(data.reasoning_tokens, std::int64_t{0});
  put(data.input_tokens, std::max<std::int64_t>(figures.input_tokens, 0));
  put(data.cached_tokens, std::clamp<std::int64_t>(figures.cached_tokens, 0, data.input_tokens));
  put(data.output_tokens, std::max<std::int64_t>(figures.output_tokens, 0));
  put(data.reasoning_tokens, std::clamp<std::int64_t>(figures.reasoning_tokens, 0, data.output_tokens));
  put(data.energy_uj, std::max(figures.energy_uj, kEnergyUnknown));
  raise_to(data.updated_at_us, us_of(now));
  put(data.final, 1U);
  map_->mirror->slot_changed(slot.index);
}

std::uint64_t Journal::settle(JournalSlot slot, store::UsageStatus status, TimePoint ended_at) {
  SlotData& data = map_->slots[slot.index];
  raise_to(data.updated_at_us, us_of(ended_at));
  put(data.status, static_cast<std::uint32_t>(status));
  map_->set_state(slot.index, SlotState::kSettled);
  // After the state: who reads this number finds every settlement up to it.
  std::atomic_ref(map_->header->settled).store(++settled_, std::memory_order_release);
  --open_count_;
  map_->mirror->slot_changed(slot.index);
  return settled_;
}

void Journal::sync() {
  const std::lock_guard lock(sync_mutex_);
  if (map_->mirror->sync()) sync_count_.fetch_add(1, std::memory_order_relaxed);
}

void Journal::sync_loop(std::chrono::milliseconds interval) {
  // A table of descriptors of its own, with none but the standard three and the mirror: with two threads on one table,
  // each system call of the other thread would count references to its socket, half a microsecond a request. Needs
  // Linux 5.9; a refusal costs that, nothing else.
  const auto mirror = static_cast<unsigned>(map_->mirror->fd());
  if (::close_range(mirror + 1, ~0U, CLOSE_RANGE_UNSHARE) == 0 && mirror > STDERR_FILENO + 1) {
    static_cast<void>(::close_range(STDERR_FILENO + 1, mirror - 1, 0));
  }
  host::run_in_background();
  std::unique_lock lock(stop_mutex_);
  while (!stop_) {
    stop_changed_.wait_for(lock, interval);
    lock.unlock();
    sync();
    lock.lock();
  }
}

}  // namespace millrace::ledger
