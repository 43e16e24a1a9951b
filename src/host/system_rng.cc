#include "host/system_rng.h"

#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace millrace::host {
namespace {
void draw(void* to, std::size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = getrandom(at, size, 0);
    if (got < 0 && errno == EINTR) continue;
    // Without randomness no key or id is safe, and getrandom fails only on kernels without it.
    if (got <= 0) std::abort();
    at += got;
    size -= static_cast<std::size_t>(got);
  }
}
}  // namespace

std::uint64_t SystemRng::next() {
  const std::lock_guard lock(mutex_);
  const pid_t self = getpid();
  if (left_ == 0 || owner_ != self) {
    draw(buffer_.data(), sizeof buffer_);
    left_ = buffer_.size();
    owner_ = self;
  }
  const std::uint64_t value = buffer_[--left_];
  buffer_[left_] = 0;
  return value;
}

void SystemRng::fill(std::span<std::uint8_t> bytes) { draw(bytes.data(), bytes.size()); }

}  // namespace millrace::host
