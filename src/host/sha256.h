// SHA-256 (FIPS 180-4), by OpenSSL.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace millrace::host {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// Incremental digest; one thread at a time.
class Sha256 {
 public:
  Sha256();
  void update(std::string_view bytes);
  /// Call once, last.
  Sha256Digest finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

Sha256Digest sha256(std::string_view bytes);

/// Lower-case hex of the digest: 64 characters.
std::string sha256_hex(std::string_view bytes);

/// Lower-case hex, two characters a byte.
std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace millrace::host
