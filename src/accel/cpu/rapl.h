// RAPL: the processor's own energy counter, as the kernel shows it under /sys/class/powercap.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "accel/accelerators.h"

namespace millrace::accel {

/// Sums the package zones ("intel-rapl:0", "intel-rapl:1", ...); their sub-zones are parts of them and not added.
/// The counters wrap at max_energy_range_uj (kernel documentation, power/powercap): read it at least every minute.
class Rapl final : public EnergyCounter {
 public:
  /// kNotFound if there is no package zone below `root`; kDenied if its counter may not be read.
  static Result<std::unique_ptr<Rapl>> open(const std::string& root = "/sys/class/powercap");
  Result<std::int64_t> read_uj() override;

 private:
  struct Zone {
    std::string file;
    std::int64_t range_uj = 0;
    std::int64_t last_uj = 0;
  };
  explicit Rapl(std::vector<Zone> zones) : zones_(std::move(zones)) {}

  std::mutex mutex_;
  std::vector<Zone> zones_;    // guarded by mutex_
  std::int64_t total_uj_ = 0;  // guarded by mutex_
};

}  // namespace millrace::accel
