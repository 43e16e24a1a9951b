// Apportion: divides a replica's energy among the requests that were active while it was used.
#pragma once

#include <cstdint>
#include <vector>

#include "energy/power_model.h"

namespace millrace::energy {

/// Work of one token, relative. A generated token costs about 2.4 times the CPU of a prompt token on the reference
/// engine (130 to 190 prompt tokens/s against 50 to 85 generated ones, one thread; docs/benchmarks.md).
inline constexpr std::int64_t kPromptTokenWork = 10;
inline constexpr std::int64_t kOutputTokenWork = 24;

/// Shares between two readings of a replica's CPU time are in proportion to the work done in that interval; with no
/// work reported, equal. Conservation: the sum of all shares ever given plus `unattributed_uj` equals the dynamic
/// energy of all CPU time read (invariant I2), exactly. One thread at a time.
class Apportioner {
 public:
  explicit Apportioner(const LinearPowerModel& model) : model_(model) {}

  /// The replica's cumulative CPU time. The first reading only sets the origin. A smaller one than before
  /// (the engine restarted) starts a new origin; nothing is attributed for the gap.
  void read_cpu(std::int64_t cpu_ns);

  /// `key` becomes active from now on. Read the CPU time first.
  void begin(std::uint64_t key);
  /// Work done for an active key since the last reading. Unknown keys are ignored.
  void add_work(std::uint64_t key, std::int64_t work);
  /// The key's energy so far, 0 if unknown.
  std::int64_t energy_uj(std::uint64_t key) const;
  /// The key's final energy; it is forgotten. Read the CPU time first.
  std::int64_t end(std::uint64_t key);

  std::int64_t unattributed_uj() const { return unattributed_uj_; }
  std::size_t active() const { return shares_.size(); }

 private:
  struct Share {
    std::uint64_t key = 0;
    std::int64_t energy_uj = 0;
    std::int64_t work = 0;
  };
  Share* find(std::uint64_t key);
  void divide(std::int64_t energy_uj);

  LinearPowerModel model_;
  bool has_origin_ = false;
  std::int64_t origin_cpu_ns_ = 0;  // of the current engine process
  std::int64_t divided_uj_ = 0;     // since that origin
  std::int64_t last_cpu_ns_ = 0;
  std::int64_t unattributed_uj_ = 0;
  std::vector<Share> shares_;  // in order of begin
};

}  // namespace millrace::energy
