// Accelerators: the port through which Millrace learns what this machine can compute on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/capability.h"
#include "core/result.h"

namespace millrace::accel {

/// One device. For the CPU itself `cpus` names the logical processors this process may use.
struct Device {
  std::string id;    // "cpu0": unique on the node, the same after a restart
  std::string name;  // the maker's name, as the device tells it
  Capability capability;
  std::vector<int> cpus;
};

/// Safe from any thread.
class Accelerators {
 public:
  virtual ~Accelerators() = default;
  /// Every device that works now, ordered by id. kUnavailable if the maker's interface does not answer.
  virtual Result<std::vector<Device>> discover() = 0;
};

/// A counter of energy used since some start; it never goes back while the object lives.
class EnergyCounter {
 public:
  virtual ~EnergyCounter() = default;
  /// Microjoules. Safe from any thread.
  virtual Result<std::int64_t> read_uj() = 0;
};

}  // namespace millrace::accel
