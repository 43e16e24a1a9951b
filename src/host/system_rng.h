// SystemRng: the kernel's random numbers, fit for keys.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <span>

#include "core/rng.h"

namespace millrace::host {

/// Safe from any thread, and after a fork (parent and child never draw the same numbers).
class SystemRng final : public Rng {
 public:
  std::uint64_t next() override;
  void fill(std::span<std::uint8_t> bytes);

 private:
  // Draws of `next` come out of one system call for 32 of them; a number is wiped once it was given out.
  std::mutex mutex_;
  std::array<std::uint64_t, 32> buffer_{};  // guarded by mutex_
  std::size_t left_ = 0;                    // guarded by mutex_
  pid_t owner_ = 0;                         // guarded by mutex_; the process that filled the buffer
};

}  // namespace millrace::host
