// Journal: where a gateway notes each request's use while it runs, so that kill -9 at any moment loses none of it.
// A memory-mapped file of fixed slots, one for a request; the server drains it into the usage table (drain.h).
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "host/fd.h"
#include "store/usage_table.h"

namespace millrace::ledger {

/// Energy of a request that nothing is known about (an upstream that states none).
inline constexpr std::int64_t kEnergyUnknown = -1;

/// A request's use so far, or in the end. `input_tokens` includes `cached_tokens`, `output_tokens` `reasoning_tokens`.
struct Figures {
  std::int64_t input_tokens = 0, cached_tokens = 0, output_tokens = 0, reasoning_tokens = 0;
  std::int64_t energy_uj = kEnergyUnknown;
};

/// What is known when a request is accepted. Longer texts are cut to the bytes given in brackets, at a character.
struct OpenRequest {
  std::string_view request_id;  // [40] ours, unique, sorts by start
  std::string_view
      client_request_id;  // [64] the client's own, may be empty; recorded as empty if it is not UTF-8
  std::string_view tenant, project;  // [63]
  std::string_view key_id;           // [40]
  std::string_view endpoint, model;  // [63]
  std::string_view site;             // [63]
  std::string_view zone;             // [24]
  std::string_view energy_model;     // [40] empty if unknown
  std::string_view basis;            // [12] "measured", "modelled", "unknown"
  double intensity_g_per_kwh = 0;    // of the zone, for co2e
  std::int64_t price_version = 0, input_microeur_per_mtok = 0, output_microeur_per_mtok = 0;
  TimePoint started_at{};
};

/// Names an open request of one Journal; good until it is settled.
struct JournalSlot {
  std::uint32_t index = 0;
};

/// The writing side: one gateway process, one thread (a second, private one keeps the mirror). open, update, finalise and
/// settle make no system call, and no allocation but for what a request is the first to share with later ones. The file
/// is locked (flock) as long as the process lives; a journal whose lock is free belongs to a gateway that died, and what is
/// open in it is settled as failed by the server.
class Journal {
 public:
  struct Options {
    std::uint32_t slots = 65536;                  // 16 to 2^20
    std::chrono::milliseconds sync_interval{50};  // what power loss may cost; kill -9 costs nothing
  };

  /// Creates FOLDER/<id>.mrj and, for power loss, its mirror (the folder too, mode 0700). `id` is a file name of
  /// [A-Za-z0-9_-], at most 40, never used before: take make_id("jrn", ...).
  static Result<std::unique_ptr<Journal>> create(const std::string& folder, std::string_view id,
                                                 Options options);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const std::string& id() const { return id_; }

  /// The request counts as accepted from here on: exactly one usage record will exist for it. nullopt if every slot is
  /// in use (the server is away for long: answer 503) or request_id is empty.
  std::optional<JournalSlot> open(const OpenRequest& request);

  /// Notes progress. Figures never go down; after `finalise` nothing changes any more. `now` becomes the end of the
  /// request if the process dies.
  void update(JournalSlot slot, const Figures& figures, TimePoint now);

  /// Notes the final figures, exactly as given: call it before the bytes that tell them to the client are written.
  /// If the process dies after it, the record is `failed` with these figures.
  void finalise(JournalSlot slot, const Figures& figures, TimePoint now);

  /// Ends the request: call it as soon as the last byte was handed to the kernel, or the client or engine is gone.
  /// Answers this settlement's number, 1, 2, ... (DrainPolicy::through compares to it). The slot is no longer ours.
  std::uint64_t settle(JournalSlot slot, store::UsageStatus status, TimePoint ended_at);

  std::uint64_t settled() const { return settled_; }
  /// Requests open now.
  std::uint32_t open_count() const { return open_count_; }
  /// Syncs done so far; any thread.
  std::uint64_t sync_count() const { return sync_count_.load(std::memory_order_relaxed); }
  /// Waits until everything noted before the call is on disk.
  void sync();

 private:
  struct Map;  // the mapped file (journal_format.h)
  Journal(std::string id, std::unique_ptr<Map> map, Options options);
  bool find_free();
  void sync_loop(std::chrono::milliseconds interval);

  const std::string id_;
  const std::unique_ptr<Map> map_;
  std::vector<std::uint32_t> free_;  // owned by the writing thread
  std::uint64_t settled_ = 0;        // owned by the writing thread
  std::uint32_t open_count_ = 0;     // owned by the writing thread
  std::atomic<std::uint64_t> sync_count_{0};
  std::mutex sync_mutex_;  // one sync at a time
  std::mutex stop_mutex_;
  std::condition_variable stop_changed_;
  bool stop_ = false;  // guarded by stop_mutex_
  std::thread syncer_;
};

}  // namespace millrace::ledger
