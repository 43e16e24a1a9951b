// Devices as a test says they are.
#pragma once

#include <utility>

#include "accel/accelerators.h"

namespace millrace::accel {

class FakeAccelerators final : public Accelerators {
 public:
  explicit FakeAccelerators(std::vector<Device> devices) : devices_(std::move(devices)) {}
  Result<std::vector<Device>> discover() override { return devices_; }

 private:
  std::vector<Device> devices_;
};

}  // namespace millrace::accel
