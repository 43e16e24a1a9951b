// The CPU as an accelerator, read from /proc and the affinity mask.
#pragma once

#include <string>

#include "accel/accelerators.h"

namespace millrace::accel {

/// Always finds exactly one device, "cpu0". Reads below `proc` ("/proc", or a copy of it in tests).
class CpuAccelerators final : public Accelerators {
 public:
  explicit CpuAccelerators(std::string proc = "/proc") : proc_(std::move(proc)) {}
  Result<std::vector<Device>> discover() override;

 private:
  std::string proc_;
};

}  // namespace millrace::accel
