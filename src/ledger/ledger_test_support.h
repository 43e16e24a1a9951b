// Things that several tests of the ledger need.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "core/clock.h"
#include "host/file.h"
#include "ledger/journal.h"

namespace millrace::ledger {

class TempFolder {
 public:
  TempFolder() {
    char name[] = "/tmp/millrace-ledger-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TempFolder() { static_cast<void>(host::remove_tree(path_)); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A clock that stands where the test puts it.
struct FixedClock final : Clock {
  TimePoint time{std::chrono::seconds{1'790'000'000}};
  TimePoint now() const override { return time; }
  MonotonicPoint monotonic() const override { return MonotonicPoint{time.time_since_epoch()}; }
};

inline constexpr TimePoint kStart{std::chrono::seconds{1'790'000'000}};

inline OpenRequest open_request(std::string_view id) {
  OpenRequest request;
  request.request_id = id;
  request.client_request_id = "client-1";
  request.tenant = "default";
  request.project = "project";
  request.key_id = "key_1";
  request.endpoint = "chat";
  request.model = "smollm2";
  request.site = "local";
  request.zone = "FR";
  request.energy_model = "cpu-time-linear-v1";
  request.basis = "modelled";
  request.intensity_g_per_kwh = 50;
  request.price_version = 3;
  request.input_microeur_per_mtok = 1'000'000;
  request.output_microeur_per_mtok = 2'000'000;
  request.started_at = kStart;
  return request;
}

inline std::unique_ptr<Journal> make_journal(const std::string& folder, std::string_view id,
                                             std::uint32_t slots = 64) {
  auto journal = Journal::create(folder, id, {.slots = slots});
  if (!journal) {
    ADD_FAILURE() << journal.error().message;
    std::abort();
  }
  return *std::move(journal);
}

}  // namespace millrace::ledger
