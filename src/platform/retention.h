// Retention: when jobs that are over, their folders and the archives sent for them are forgotten.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "control/work_view.h"
#include "core/clock.h"
#include "core/result.h"
#include "platform/work_archives.h"
#include "store/store.h"

namespace millrace::platform {

struct RetentionPolicy {
  std::chrono::seconds keep{30LL * 24 * 3600};  // after the end
  std::size_t most = 100'000;                   // submissions that are over; the oldest go first
};

/// A submission, as far as the decision needs it.
struct KeptJob {
  std::uint64_t number = 0;
  std::optional<TimePoint> ended_at;  // of its last element; nullopt: it is not over
};

/// The numbers to forget, ascending. Pure. One that is not over is never among them.
std::vector<std::uint64_t> to_forget(const std::vector<KeptJob>& jobs, const RetentionPolicy& policy,
                                     TimePoint now);

struct Swept {
  std::size_t jobs = 0, archives = 0;
};

/// One sweep. Folders go before records, so that a sweep cut short is done again. `work_folder`: HOME/work. A job that
/// cannot be read or removed is left for the next sweep; the first such error is the answer then.
Result<Swept> sweep_jobs(store::Store& store, control::WorkView& view, WorkArchives& archives,
                         const std::string& work_folder, const RetentionPolicy& policy, const Clock& clock);

}  // namespace millrace::platform
